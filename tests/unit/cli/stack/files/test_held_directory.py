"""A directory that was moved, deleted or replaced is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.files.held_directory import HeldDirectory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    return path


@pytest.fixture
def held(folder: Path) -> Iterator[HeldDirectory]:
    found = HeldDirectory(folder)
    yield found
    found.close()


def test_a_directory_at_its_path_was_not_moved(folder: Path, held: HeldDirectory) -> None:
    (folder / "file").write_text("")
    assert not held.was_moved()


def test_a_moved_directory_is_noticed(folder: Path, held: HeldDirectory) -> None:
    moved = folder.rename(folder.with_name("other"))
    assert held.was_moved()
    moved.rename(folder)
    assert not held.was_moved()


def test_a_new_directory_never_has_the_inode_of_the_deleted_one(
    folder: Path, held: HeldDirectory
) -> None:
    for _ in range(20):
        folder.rmdir()
        folder.mkdir()
        assert held.was_moved()


def test_a_file_is_deleted_in_the_moved_directory(folder: Path, held: HeldDirectory) -> None:
    (folder / "file").write_text("")
    moved = folder.rename(folder.with_name("other"))
    folder.mkdir()
    (folder / "file").write_text("of another directory")
    held.delete_file("file")
    held.delete_file("file")
    assert (folder / "file").exists()
    assert not (moved / "file").exists()
