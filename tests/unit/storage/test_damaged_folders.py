"""Damaged files are moved to folders, whose times pace the filling."""

from __future__ import annotations

import calendar
import time
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.storage.damaged_folders import (
    KEPT,
    PAUSES,
    PERIOD,
    damaged_folders,
    move_damaged,
    seconds_to_filling,
)
from tests.unit.storage.users import segment_files, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User


def check_opened(reader: Any) -> None:
    """Check the files of an open folder as the users of a reader do."""
    reader.position()
    reader.check_files()


def at(moment: float) -> str:
    """Return the name of a folder that was made at a time."""
    return time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime(moment))


NOW = float(calendar.timegm((2026, 1, 2, 3, 4, 5, 0, 0, 0)))


def test_files_are_moved_and_old_folders_deleted(tmp_path: Path) -> None:
    made = []
    for number in range(KEPT + 3):
        (tmp_path / "file").write_text(str(number))
        (tmp_path / "other.new").write_text("uncommitted")
        names = [tmp_path / name for name in ("file", "other", "missing")]
        made.append(move_damaged(tmp_path, names))
    assert damaged_folders(tmp_path) == made[-KEPT:]
    assert sorted(tmp_path.iterdir()) == sorted(made[-KEPT:])
    assert {each.name for each in made[-1].iterdir()} == {"file", "other.new"}
    assert (made[-1] / "file").read_text() == str(KEPT + 2)


@pytest.mark.parametrize("kind", ["folder", "link to itself", "link to a file's child"])
@pytest.mark.parametrize("name", ["segment", "manifest"])
def test_something_else_in_place_of_a_file_is_damage_and_moved_aside(
    user: User, path: Path, name: str, kind: str
) -> None:
    with user.open_writer(path) as writer:
        for number in (1, 2):
            user.apply(writer, {number: number}, number)
    reader = user.open_reader(path)
    assert reader.position() == 2
    file = path / "manifest" if name == "manifest" else segment_files(user, path)[0]
    file.unlink()
    if kind == "folder":
        (file / "child" / "grandchild").mkdir(parents=True)
    else:
        file.symlink_to(file if kind == "link to itself" else path / "lock" / "child")
    with pytest.raises(user.format.corrupt, match=file.name):
        user.open_writer(path)
    with pytest.raises(user.format.corrupt, match=file.name):
        check_opened(reader)
    reader.close()
    user.open_writer(path, clear_damaged=True).close()
    assert state(user, path) == (0, {})
    [folder] = damaged_folders(path)
    assert file.name in {each.name for each in folder.iterdir()}
    for _ in range(KEPT):  # the old folder is deleted with its content
        file.write_text("damaged")
        user.open_writer(path, clear_damaged=True).close()
    if name == "manifest":
        assert folder not in damaged_folders(path)


def test_other_names_are_not_folders_of_damaged_files(tmp_path: Path) -> None:
    for name in ("damaged-mine", "damaged-20261399T999999Z", "damaged"):
        (tmp_path / name).mkdir()
    assert seconds_to_filling(tmp_path, NOW) == 0


@pytest.mark.parametrize("count", range(7))
def test_the_pause_grows_with_the_number_of_folders(tmp_path: Path, count: int) -> None:
    for number in range(count):
        (tmp_path / at(NOW - 10 * (number + 1))).mkdir()
    pause = PAUSES[min(count, len(PAUSES)) - 1] if count else 0
    assert seconds_to_filling(tmp_path, NOW) == max(0, pause - 10)
    assert (pause > 0) == (count > 3)  # the first repairs are not delayed
    assert seconds_to_filling(tmp_path, NOW + pause) == 0


def test_folders_of_an_earlier_day_do_not_count(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / at(NOW - PERIOD - number)).mkdir()
    (tmp_path / at(NOW - 1)).mkdir()
    assert seconds_to_filling(tmp_path, NOW) == 0


def test_a_clock_that_was_ahead_does_not_prolong_the_pause(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / at(NOW + 10_000 + number)).mkdir()
    assert seconds_to_filling(tmp_path, NOW) == PAUSES[3]


@pytest.mark.parametrize("keep_intact", [False, True])
def test_a_writer_moves_damaged_files_and_numbers_are_not_used_again(
    user: User, path: Path, *, keep_intact: bool
) -> None:
    from pipeline.storage.writer import StorageWriter  # noqa: PLC0415 - the option of this test

    with user.open_writer(path) as writer:
        for number in (1, 2, 3):
            user.apply(writer, {number: number}, number)
    files = segment_files(user, path)
    files[1].write_bytes(files[1].read_bytes()[:-1])
    StorageWriter(user.format, path, clear_damaged=True, keep_intact=keep_intact).close()
    assert state(user, path) == (0, {})
    [folder] = damaged_folders(path)
    moved = {each.name for each in folder.iterdir()}
    everything = {"manifest", *(file.name for file in files)}
    assert moved == (everything if keep_intact else {files[1].name})
    assert segment_files(user, path) == []
    with user.open_writer(path) as writer:
        user.apply(writer, {5: 5}, 1)
    assert not {file.name for file in segment_files(user, path)} & everything
    assert user.verify(path) == []
