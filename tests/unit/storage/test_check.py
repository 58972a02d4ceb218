"""The full check of a folder, and checks that are made once in a process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

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
