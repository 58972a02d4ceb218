"""A full disk is refused before the start."""

from collections import namedtuple
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.requirements import free_space

Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "does" / "not" / "exist"
    free_space.require_free_space(root)
    asked = []

    def usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(100, 100, 3 * 2**20)

    monkeypatch.setattr(free_space.shutil, "disk_usage", usage)
    with pytest.raises(StackError, match=r"exist has 3 MiB left, and a start needs 32 MiB"):
        free_space.require_free_space(root)
    assert asked == [tmp_path]
