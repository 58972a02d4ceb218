"""The lock file: no other file is locked or truncated, and a deleted one is noticed."""

import os
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.lock_file import LockFile


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir.at(tmp_path / "data")
    found.create()
    return found


def refuses(data: DataDir) -> None:
    with pytest.raises(StackError, match="is no lock file"), data.lock():
        pass
    with pytest.raises(StackError, match="is no lock file"):
        data.is_locked()


@pytest.mark.parametrize("make_link", [os.symlink, os.link])
def test_the_target_of_a_link_keeps_its_contents(
    data: DataDir, tmp_path: Path, make_link: object
) -> None:
    target = tmp_path / "target"
    target.write_text("important")
    assert callable(make_link)
    make_link(target, data.lock_file)
    refuses(data)
    assert target.read_text() == "important"


def test_a_link_does_not_create_its_target(data: DataDir, tmp_path: Path) -> None:
    data.lock_file.symlink_to(tmp_path / "missing")
    refuses(data)
    assert not (tmp_path / "missing").exists()


def test_a_directory_and_a_fifo_are_refused(data: DataDir) -> None:
    data.lock_file.mkdir()
    refuses(data)
    data.lock_file.rmdir()
    os.mkfifo(data.lock_file)
    refuses(data)


@pytest.mark.parametrize("text", [b"", b"123", b"123\n", bytes(5), b"4194304"])
def test_the_file_of_an_earlier_holder_is_used(data: DataDir, text: bytes) -> None:
    data.lock_file.write_bytes(text)
    with data.lock():
        assert data.lock_holder() == os.getpid()
    assert data.lock_holder() is None


def test_the_lock_of_a_deleted_file_is_no_lock(tmp_path: Path) -> None:
    """The file is replaced between the opening and the lock."""
    path = tmp_path / "lock"

    class Replaced(LockFile):
        replacements = 1

        def _open(self) -> int:
            handle = super()._open()
            if self.replacements:
                self.replacements -= 1
                path.unlink()
                path.touch()
            return handle

    lock = Replaced(path, create=True)
    assert not lock.take()
    assert lock.take()
    lock.close()
