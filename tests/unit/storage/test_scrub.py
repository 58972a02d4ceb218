"""The scrub reads all files in small steps and finds damage."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from pipeline.storage import scrub
from pipeline.storage.scrub import SCRUB_NAME, Scrub
from tests.unit.storage.users import segment_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User

STEP = 100


@pytest.fixture
def folder(user: User, path: Path) -> Path:
    """A folder of three segments."""
    with user.open_writer(path) as writer:
        for number in (1, 2, 3):
            user.apply(writer, {number: number, number + 10: number}, number)
    return path


def steps_for_all(user: User, folder: Path) -> int:
    """Return a number of steps in which all files are read at least once."""
    size = sum(file.stat().st_size for file in segment_files(user, folder))
    return size // STEP + 10


def test_intact_files_have_no_damage(user: User, folder: Path) -> None:
    reader = Scrub(user.format, folder)
    assert [reader.step(STEP) for _ in range(steps_for_all(user, folder))].count(None) > 10
    assert Scrub(user.format, folder).step(1 << 20) is None


def test_a_flipped_bit_in_any_part_is_found_and_the_writer_empties_the_folder(
    user: User, folder: Path
) -> None:
    file = segment_files(user, folder)[1]
    data = bytearray(file.read_bytes())
    data[-60] ^= 16  # in the last section of either format
    changed = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(changed.st_atime_ns, changed.st_mtime_ns))
    reader = Scrub(user.format, folder)
    found = [reader.step(STEP) for _ in range(3 * steps_for_all(user, folder))]
    errors = [error for error in found if error]
    assert errors
    assert {error.path for error in errors} == {file}
    assert len(errors) > 1  # it is found again
    with user.open_writer(folder, clear_damaged=True):
        assert user.position(folder) == 0
    assert reader.step(STEP) is None


def test_a_file_that_cannot_be_read_is_damaged(
    user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_descriptor: int, _size: int, _offset: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", fails)
    error = Scrub(user.format, folder).step(STEP)
    assert error is not None
    assert "cannot be read at byte" in error.problem


def test_a_restart_continues_at_the_recorded_place(
    user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "RECORD_EVERY", 0.0)
    places = []
    for _ in range(steps_for_all(user, folder)):
        assert Scrub(user.format, folder).step(STEP) is None  # a new process each time
        places.append((folder / SCRUB_NAME).read_text())
    assert len(set(places)) > 3
    assert user.verify(folder) == []


@pytest.mark.parametrize("is_of_this_file", [False, True])
def test_a_stale_checksum_condemns_no_intact_file(
    user: User, folder: Path, monkeypatch: pytest.MonkeyPatch, *, is_of_this_file: bool
) -> None:
    """The file was restored since then, or the record has a wrong checksum."""
    monkeypatch.setattr(scrub, "RECORD_EVERY", 0.0)
    reader = Scrub(user.format, folder)
    while True:
        assert reader.step(10) is None
        place = json.loads((folder / SCRUB_NAME).read_text())
        if place[2]:
            break
    place[3] ^= 1
    if not is_of_this_file:
        place[4] += 1
    (folder / SCRUB_NAME).write_text(json.dumps(place))
    restarted = Scrub(user.format, folder)
    assert {restarted.step(STEP) for _ in range(3 * steps_for_all(user, folder))} == {None}


def test_damage_deletes_the_record(
    user: User, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "RECORD_EVERY", 0.0)
    reader = Scrub(user.format, folder)
    assert reader.step(STEP) is None
    assert (folder / SCRUB_NAME).exists()
    file = segment_files(user, folder)[0]
    data = bytearray(file.read_bytes())
    data[-60] ^= 1
    file.write_bytes(data)
    assert reader.step(1 << 20) is not None
    assert not (folder / SCRUB_NAME).exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b"[9,9,9,9,9]", b'["a",1,2,3]', b"[-1,0,0,0]"]
)
def test_a_damaged_record_of_the_place_is_like_none(
    user: User, folder: Path, content: bytes
) -> None:
    (folder / SCRUB_NAME).write_bytes(content)
    for _ in range(2):
        assert Scrub(user.format, folder).step(1 << 20) is None


def test_a_missing_folder_and_a_folder_without_segments_have_no_damage(
    user: User, path: Path
) -> None:
    assert Scrub(user.format, path).step(STEP) is None
    user.open_writer(path).close()
    assert Scrub(user.format, path).step(STEP) is None


def test_steps_are_paced(user: User, folder: Path) -> None:
    reader = Scrub(user.format, folder)
    file = segment_files(user, folder)[0]
    assert reader.step_when_due(60) is None
    file.write_bytes(b"damaged")
    assert reader.step_when_due(60) is None
    assert reader.step(1) is not None
