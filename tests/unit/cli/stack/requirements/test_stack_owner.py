"""The stack of another user is refused before anything changes."""

import os
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.requirements.stack_owner import require_own_stack


@pytest.fixture
def record(tmp_path: Path) -> Path:
    record = tmp_path / "stack.json"
    record.write_text("{}")
    return record


def test_the_own_stack_and_a_new_directory_are_accepted(record: Path) -> None:
    require_own_stack(record.parent, record)
    require_own_stack(record.parent / "new", record.parent / "new" / "stack.json")


@pytest.mark.parametrize(("user", "action"), [(0, ""), (4_000_001, ", or let root run `chown -R")])
def test_the_stack_of_another_user_is_refused_with_its_name(
    record: Path, monkeypatch: pytest.MonkeyPatch, user: int, action: str
) -> None:
    owner = os.geteuid()
    if owner == user:
        owner = 4_000_002
        os.chown(record, owner, owner)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(StackError, match=r"belongs to user \S+: run the command as \S+") as caught:
        require_own_stack(record.parent, record)
    assert ("chown" in str(caught.value)) == bool(action)
    assert action in str(caught.value)
