"""Reading and writing state files."""

from pathlib import Path

import pytest

from index_server.state import State, StateDamagedError, read_state, write_state


def test_a_written_state_is_read_back(tmp_path: Path) -> None:
    for state in (
        State(1, deleted=False),
        State(2**64 - 1, deleted=True),
        State(9, deleted=True, unfinished=True),
        State(9, deleted=True, unfinished=True, former=5),
    ):
        write_state(tmp_path, state)
        assert read_state(tmp_path) == state


def test_a_missing_state_is_none(tmp_path: Path) -> None:
    assert read_state(tmp_path / "nowhere") is None
    assert read_state(tmp_path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"generation": 1}',
        b'{"generation": "1", "deleted": false}',
        b'{"generation": 1, "deleted": true, "unfinished": 1}',
        b'{"generation": 1, "deleted": false, "unfinished": true}',
        b'{"generation": 1, "deleted": true, "unfinished": true, "former": "0"}',
    ],
)
def test_the_error_names_a_damaged_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StateDamagedError, match=f"{tmp_path}/state is damaged"):
        read_state(tmp_path)
