"""The full check of a folder, and checks that are made once in a process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.index.segments.segment_format import IndexSegmentEntry
from pipeline.storage.check import check_once
from pipeline.storage.manifest import read_manifest, write_manifest
from tests.unit.storage.users import segment_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User


@pytest.fixture
def folder(user: User, path: Path) -> Path:
    """A folder of three segments."""
    with user.open_writer(path) as writer:
        for number in (1, 2, 3):
            user.apply(writer, {number: number}, number)
    return path


def test_a_good_folder_has_no_problems(user: User, folder: Path) -> None:
    assert user.verify(folder) == []


def test_no_folder_is_a_problem(user: User, path: Path) -> None:
    noun = user.format.noun
    assert user.verify(path) == [f"{path}/manifest: is missing; there is no {noun} here"]


def test_every_damaged_segment_is_listed(user: User, folder: Path) -> None:
    first, second, third = segment_files(user, folder)
    first.unlink()
    data = bytearray(third.read_bytes())
    data[len(data) // 2] ^= 1
    third.write_bytes(data)
    problems = user.verify(folder)
    assert len(problems) == 2
    assert problems[0] == f"{first}: is missing"
    assert problems[1].startswith(f"{third}: ")
    assert second.exists()


def test_a_segment_number_to_be_given_out_again_is_a_problem(user: User, folder: Path) -> None:
    manifest = read_manifest(user.format, folder)
    write_manifest(user.format, folder, replace(manifest, next_segment=3))
    assert user.verify(folder) == [f"{folder}/manifest: has segment 3, but the next number is 3"]


def test_a_segment_is_checked_once_until_its_file_changes(tmp_path: Path) -> None:
    entry = IndexSegmentEntry(1, 0, 0, 0)
    file = tmp_path / entry.file_name
    file.write_bytes(b"1")
    calls: list[int] = []
    for _ in range(3):
        check_once(file, entry, lambda: calls.append(1))
    assert len(calls) == 1
    file.write_bytes(b"22")
    check_once(file, entry, lambda: calls.append(1))
    check_once(file, entry._replace(checksum=5), lambda: calls.append(1))
    assert len(calls) == 3


def test_a_segment_that_failed_its_check_is_checked_again(tmp_path: Path) -> None:
    entry = IndexSegmentEntry(2, 0, 0, 0)
    file = tmp_path / entry.file_name
    file.write_bytes(b"1")

    def damaged() -> None:
        raise ValueError("damaged")

    for _ in range(2):
        with pytest.raises(ValueError, match="damaged"):
            check_once(file, entry, damaged)
