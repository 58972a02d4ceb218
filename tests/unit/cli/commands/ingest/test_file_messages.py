"""The messages that `acoustid ingest nats --from-file` makes of the lines of a file."""

import json
from pathlib import Path

import pytest

from cli.commands.ingest.file_messages import file_messages
from nats_bridge.bulk_publishing import Message

KEYS = ("application", "user")


def read(
    folder: Path, lines: list[str], keys: tuple[str, str] = KEYS
) -> tuple[list[Message], list[tuple[str, str]]]:
    """Return the messages of lines, and the names of the refused ones with the reasons."""
    path = folder / "lines.jsonl"
    path.write_text("\n".join(lines))
    refused: list[tuple[str, str]] = []
    found = list(file_messages(path, keys, lambda name, reason: refused.append((name, reason))))
    return found, refused


def line(**fields: object) -> str:
    return json.dumps({"fingerprint": "AQAA", "duration": 100, **fields})


def test_a_message_has_the_fields_of_a_submission(tmp_path: Path) -> None:
    """Names of files become those of the service; a list stays a list."""
    [message], refused = read(tmp_path, [line(mbid=["a", "b"], format="MP3", year=2001, x=[1])])
    assert json.loads(message.body) == {
        "fingerprint": "AQAA",
        "duration": "100",
        "mbid": ["a", "b"],
        "fileformat": "MP3",
        "year": "2001",
    }
    assert refused == []


def test_wrong_lines_are_named_by_their_numbers(tmp_path: Path) -> None:
    found, refused = read(tmp_path, [line(), "", "no JSON", line(duration=None), line(track=[{}])])
    assert [each.name for each in found] == ["line 1"]
    assert [name for name, _ in refused] == ["line 3", "line 4", "line 5"]
    assert refused[1][1] == "duration is missing"


def test_a_second_run_has_the_same_identifiers(tmp_path: Path) -> None:
    """Equal lines at other places are other messages, and a file may grow."""
    first, _ = read(tmp_path, [line(), line()])
    longer, _ = read(tmp_path, [line(), line(), line(track="a")])
    assert [each.identity for each in longer[:2]] == [each.identity for each in first]
    assert len({each.identity for each in longer}) == 3


@pytest.mark.parametrize("keys", [("other", "user"), ("application", "other")])
def test_with_other_keys_the_identifiers_differ(tmp_path: Path, keys: tuple[str, str]) -> None:
    """After a run with a wrong key, all messages of which are refused, a second one helps."""
    first, _ = read(tmp_path, [line()])
    second, _ = read(tmp_path, [line()], keys)
    assert first[0].identity != second[0].identity
    assert not any(key in each.identity for each in (*first, *second) for key in (*KEYS, *keys))
