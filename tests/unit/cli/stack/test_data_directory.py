"""The data directory: its modes, its lock and its logs."""

import fcntl
import stat
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import AlreadyRunningError, DataDir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "deep" / "data")
    data.create()
    assert mode(data.root) & 0o066 == 0
    assert mode(data.log("api").parent) == 0o700


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    DataDir.at(tmp_path).create()
    assert mode(tmp_path) == 0o750


def test_the_path_has_no_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert DataDir.at(tmp_path / "link").root == (tmp_path / "real").resolve()


def test_the_error_names_a_file_in_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="file"):
        DataDir.at(tmp_path / "file" / "data").create()


def test_a_second_lock_is_refused(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with data.lock():
        assert data.is_locked()
        with pytest.raises(AlreadyRunningError, match=f"--data-dir {tmp_path}"), data.lock():
            pass
    assert not data.is_locked()


def test_two_commands_may_look_at_the_lock_at_once(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with data.lock():
        pass
    with (tmp_path / "run.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not data.is_locked()


def test_a_missing_directory_is_not_locked(tmp_path: Path) -> None:
    assert not DataDir.at(tmp_path / "none").is_locked()
