"""Files that were cut short or changed are refused, and named."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.index import IndexCorrupt, Insert, open_reader, open_writer, verify
from pipeline.index.segment_format import FOOTER_BYTES, HEADER_BYTES
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An index of two segments."""
    path = tmp_path / "base"
    with open_writer(path) as writer:
        writer.apply([Insert(n, terms(16, 32, 16 * n)) for n in range(1, 30)], 1)
        writer.apply([Insert(n, terms(16, 48)) for n in range(20, 40)], 2)
    return path


def file_names(base: Path) -> list[str]:
    """Return the names of the files that hold the index."""
    return [file.name for file in sorted(base.iterdir()) if file.name != "lock"]


def assert_refused_by_writer(folder: Path, name: str) -> None:
    """A writer and verify() name the file."""
    with pytest.raises(IndexCorrupt, match=name) as caught:
        open_writer(folder)
    assert caught.value.path == folder / name
    problems = verify(folder)
    assert len(problems) == 1
    assert problems[0].startswith(f"{folder / name}: ")


def test_a_file_cut_short_is_named(base: Path) -> None:
    """At any length, by readers too: they check lengths."""
    for name in file_names(base):
        data = (base / name).read_bytes()
        for length in {0, 1, HEADER_BYTES, len(data) // 2, len(data) - 1}:
            folder = shutil.copytree(base, base.parent / f"{name}-{length}")
            (folder / name).write_bytes(data[:length])
            with pytest.raises(IndexCorrupt, match=name):
                open_reader(folder)
            assert_refused_by_writer(folder, name)


def test_a_file_that_grew_is_named(base: Path) -> None:
    """Bytes after the end are damage too."""
    for name in file_names(base):
        folder = shutil.copytree(base, base.parent / name)
        with (folder / name).open("ab") as file:
            file.write(b"\0")
        with pytest.raises(IndexCorrupt, match=name):
            open_reader(folder)
        assert_refused_by_writer(folder, name)


def test_a_flipped_bit_is_named(base: Path) -> None:
    """Anywhere by a writer; in manifest, header and footer by a reader."""
    draw = random.Random(1)
    for name in file_names(base):
        data = (base / name).read_bytes()
        edges = {*range(HEADER_BYTES), *range(len(data) - FOOTER_BYTES, len(data))}
        places = draw.sample(range(len(data)), 60) + draw.sample(sorted(edges), 20)
        for place in places:
            folder = base.parent / "flipped"
            shutil.copytree(base, folder)
            flipped = bytearray(data)
            flipped[place] ^= 1 << draw.randrange(8)
            (folder / name).write_bytes(flipped)
            if name == "manifest" or place in edges:
                with pytest.raises(IndexCorrupt, match=name):
                    open_reader(folder)
            assert_refused_by_writer(folder, name)
            shutil.rmtree(folder)


def test_segments_that_changed_places_are_named(base: Path) -> None:
    """A whole segment under another's name is not taken for it."""
    first, second = sorted(base.glob("*.segment"))
    swapped = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(swapped)
    with pytest.raises(IndexCorrupt, match=first.name):
        open_reader(base)


def test_a_reader_that_meets_damage_recovers_when_it_is_repaired(base: Path) -> None:
    """The error lasts as long as the damage."""
    with open_reader(base) as reader:
        good = (base / "manifest").read_bytes()
        (base / "manifest").write_bytes(good[:-1])
        for _ in range(2):
            with pytest.raises(IndexCorrupt, match="manifest"):
                reader.search([terms(16)])
        (base / "manifest").write_bytes(good)
        assert reader.position() == 2
