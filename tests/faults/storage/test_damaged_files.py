"""Files that were cut short or changed are refused, and named."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.storage.manifest import read_manifest
from tests.unit.storage.users import segment_files, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User


@pytest.fixture
def base(user: User, path: Path) -> Path:
    """A folder of two segments."""
    with user.open_writer(path) as writer:
        user.apply(writer, {number: number for number in range(1, 30)}, 1)
        user.apply(writer, {number: number + 100 for number in range(20, 40)}, 2)
    assert len(segment_files(user, path)) == 2
    return path


def file_names(base: Path) -> list[str]:
    """Return the names of the files that hold the content."""
    return [file.name for file in sorted(base.iterdir()) if file.name != "lock"]


def assert_refused_by_reader(user: User, folder: Path, name: str) -> None:
    """A reader names the file."""
    with pytest.raises(user.format.corrupt, match=name):
        user.open_reader(folder).position()


def assert_refused_by_writer(user: User, folder: Path, name: str) -> None:
    """A writer names the file."""
    with pytest.raises(user.format.corrupt, match=name) as caught:
        user.open_writer(folder)
    assert caught.value.path == folder / name


def assert_listed(user: User, folder: Path, name: str) -> None:
    """The full check names the file."""
    problems = user.verify(folder)
    assert len(problems) == 1
    assert problems[0].startswith(f"{folder / name}: ")


def test_a_file_cut_short_is_named(user: User, base: Path) -> None:
    for name in file_names(base):
        data = (base / name).read_bytes()
        for length in {0, 1, 16, 64, len(data) // 2, len(data) - 1}:
            folder = shutil.copytree(base, base.parent / f"{name}-{length}")
            (folder / name).write_bytes(data[:length])
            assert_refused_by_reader(user, folder, name)
            assert_refused_by_writer(user, folder, name)
            assert_listed(user, folder, name)


def test_a_file_that_grew_is_named(user: User, base: Path) -> None:
    for name in file_names(base):
        folder = shutil.copytree(base, base.parent / name)
        with (folder / name).open("ab") as file:
            file.write(b"\0")
        assert_refused_by_reader(user, folder, name)
        assert_refused_by_writer(user, folder, name)
        assert_listed(user, folder, name)


def test_a_flipped_bit_is_named(user: User, base: Path) -> None:
    """By the full check anywhere, by readers and writers in the parts that an opening checks.

    Neither reads a whole segment: a large one would exceed the time limit of a task.
    """
    draw = random.Random(1)
    manifest = read_manifest(user.format, base)
    assert manifest
    entries = {entry.file_name: entry for entry in manifest.segments}
    for name in file_names(base):
        data = (base / name).read_bytes()
        everything = set(range(len(data)))
        checked = user.checked_places(entries[name]) if name in entries else everything
        places = draw.sample(sorted(everything), 60) + draw.sample(sorted(checked), 20)
        for place in places:
            folder = base.parent / "flipped"
            shutil.copytree(base, folder)
            flipped = bytearray(data)
            flipped[place] ^= 1 << draw.randrange(8)
            (folder / name).write_bytes(flipped)
            if place in checked:
                assert_refused_by_reader(user, folder, name)
                assert_refused_by_writer(user, folder, name)
            else:
                user.open_writer(folder).close()
            assert_listed(user, folder, name)
            shutil.rmtree(folder)


def test_segments_that_changed_places_are_named(user: User, base: Path) -> None:
    """A whole segment under another's name is refused."""
    first, second = segment_files(user, base)
    swapped = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(swapped)
    assert_refused_by_reader(user, base, first.name)


def test_a_reader_that_meets_damage_recovers_when_it_is_repaired(user: User, base: Path) -> None:
    """The error lasts as long as the damage."""
    reader = user.open_reader(base)
    good = (base / "manifest").read_bytes()
    (base / "manifest").write_bytes(good[:-1])
    for _ in range(2):
        with pytest.raises(user.format.corrupt, match="manifest"):
            user.holding(reader, [1])
    (base / "manifest").write_bytes(good)
    assert reader.position() == 2
    reader.close()


@pytest.mark.parametrize("name", ["manifest", "segment"])
def test_a_damaged_folder_is_cleared_and_rebuilt(user: User, base: Path, name: str) -> None:
    """The numbers of the lost segments are not given out again."""
    damaged = base / "manifest" if name == "manifest" else segment_files(user, base)[0]
    lost = {file.name for file in segment_files(user, base)}
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with user.open_writer(base, clear_damaged=True) as writer:
        assert state(user, base) == (0, {})
        user.rebuild(writer, [{5: 5}], 7)
    assert state(user, base) == (7, user.documents({5: 5}))
    assert not lost & {file.name for file in segment_files(user, base)}
    assert user.verify(base) == []


def test_a_sound_folder_is_not_cleared(user: User, base: Path) -> None:
    before = state(user, base)
    user.open_writer(base, clear_damaged=True).close()
    assert state(user, base) == before
