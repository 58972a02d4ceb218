"""The data directory: created private, held by one, its logs kept in bounds."""

import os
import stat
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import AlreadyRunningError, DataDir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_directory_tells_others_nothing(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "deep" / "data")
    data.create()
    assert mode(data.root) & 0o066 == 0
    assert mode(data.log("api").parent) == 0o700


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    DataDir.at(tmp_path).create()
    assert mode(tmp_path) == 0o750


def test_symbolic_links_are_followed_once_and_for_all(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert DataDir.at(tmp_path / "link").root == (tmp_path / "real").resolve()


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="file"):
        DataDir.at(tmp_path / "file" / "data").create()


def test_one_holds_it_and_the_next_is_told_so(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    with data.lock():
        assert data.is_locked()
        with pytest.raises(AlreadyRunningError, match=f"--data-dir {tmp_path}"), data.lock():
            pass
    assert not data.is_locked()


def test_a_directory_that_does_not_exist_is_held_by_nobody(tmp_path: Path) -> None:
    assert not DataDir.at(tmp_path / "none").is_locked()


def test_a_long_log_is_set_aside_and_a_short_one_is_not(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    data.create()
    data.log("short").write_text("kept")
    with data.log("long").open("wb") as log:
        os.truncate(log.fileno(), data_directory.LOG_LIMIT + 1)
    for role in ("short", "long", "none"):
        data.rotate_log(role)
    assert data.log("short").read_text() == "kept"
    assert not data.log("long").exists()
    assert (data.root / "logs" / "long.log.1").exists()
