"""Checks that are made once in a process, and damage that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pipeline.index.errors import IndexCorrupt
from pipeline.index.segments.segment_format import IndexSegmentEntry
from pipeline.storage import checked_files
from pipeline.storage.checked_files import (
    ALL,
    TABLES,
    check_again,
    check_once,
    keep_damage,
    refuse_known_damage,
)
from pipeline.storage.snapshot import load_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User

ENTRY = IndexSegmentEntry(1, 0, 0, 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a segment."""
    path = tmp_path / ENTRY.file_name
    path.write_bytes(b"1")
    return path


def test_a_part_is_checked_once_until_its_file_changes(file: Path) -> None:
    calls: list[int] = []
    for _ in range(3):
        check_once(file, ENTRY, ALL, lambda: calls.append(1))
    assert len(calls) == 1
    check_once(file, ENTRY, TABLES, lambda: calls.append(1))
    file.write_bytes(b"22")
    check_once(file, ENTRY, ALL, lambda: calls.append(1))
    check_once(file, ENTRY._replace(checksum=5), ALL, lambda: calls.append(1))
    assert len(calls) == 4


def test_damage_is_kept_until_the_file_changes(file: Path) -> None:
    calls: list[int] = []

    def damaged() -> None:
        calls.append(1)
        raise IndexCorrupt(file, "is damaged")

    for _ in range(3):
        with pytest.raises(IndexCorrupt):
            check_once(file, ENTRY, ALL, damaged)
    assert len(calls) == 1
    file.write_bytes(b"22")
    check_once(file, ENTRY, ALL, lambda: None)


def test_another_error_is_not_kept(file: Path) -> None:
    def fails() -> None:
        raise OSError("busy")

    with pytest.raises(OSError, match="busy"):
        check_once(file, ENTRY, ALL, fails)
    check_once(file, ENTRY, ALL, lambda: None)


def test_a_limited_number_of_results_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked_files, "MOST", 5)
    calls: list[int] = []
    for number in [*range(10), 0]:
        check_once(file, ENTRY._replace(number=number), ALL, lambda: calls.append(1))
    assert len(calls) == 11


def test_a_segment_that_is_damaged_after_a_check_is_found_by_the_next_one(
    user: User, path: Path
) -> None:
    """Also if the times of the file do not change, as with a faulty disk."""
    with user.open_writer(path) as writer:
        user.apply(writer, {1: 1, 2: 2}, 1)
    [segment] = load_snapshot(user.format, path).segments.segments
    check_again(segment)
    refuse_known_damage(segment)
    keep_damage(segment.path, segment.entry, user.format.corrupt(segment.path, "is damaged"))
    with pytest.raises(user.format.corrupt):
        refuse_known_damage(segment)
    with pytest.raises(user.format.corrupt, match="is damaged"):
        user.open_writer(path)
    check_again(segment)
    user.open_writer(path).close()


def test_a_merge_of_a_damaged_segment_is_refused(user: User, path: Path) -> None:
    """The merged segment would have a correct checksum."""
    with user.open_writer(path) as writer:
        for number in range(1, user.resting + 1):
            user.apply(writer, {number: number}, number)
        first: Any = load_snapshot(user.format, path).segments.segments[0]
        data = bytearray(first.path.read_bytes())
        place = first.checked_parts()[-1].start
        data[place] ^= 1
        first.path.write_bytes(data)
        with pytest.raises(user.format.corrupt, match=first.path.name):
            user.apply(writer, {99: 99}, 99)
    with user.open_writer(path, clear_damaged=True) as writer:
        assert user.position(path) == 0
    [folder] = path.glob("damaged-*")
    assert [each.name for each in folder.iterdir()] == [first.path.name]
