"""A full disk is refused before the start."""

from collections import namedtuple
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.requirements import free_space

Usage = namedtuple("Usage", "total used free")


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> list[Path]:
    """Make each disk have `free` MiB; return the list of the paths that are asked for."""
    asked: list[Path] = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(100, 100, free * 2**20)

    monkeypatch.setattr(free_space.shutil, "disk_usage", usage)
    return asked


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "does" / "not" / "exist"
    free_space.require_free_space(root, pytest.fail, exists=False)
    asked = leave(monkeypatch, 23)
    with pytest.raises(StackError, match=r"exist has 23 MiB left, and a new stack needs 32 MiB"):
        free_space.require_free_space(root, pytest.fail, exists=False)
    assert asked == [tmp_path]


def test_a_stack_that_exists_starts_with_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    leave(monkeypatch, 23)
    free_space.require_free_space(tmp_path, lines.append, exists=True)
    assert len(lines) == 1
    assert "has 23 MiB left: free some space" in lines[0]
    leave(monkeypatch, 3)
    with pytest.raises(StackError, match=r"has 3 MiB left, and a start needs 4 MiB: free some"):
        free_space.require_free_space(tmp_path, pytest.fail, exists=True)
