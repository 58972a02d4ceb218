"""A flipped bit at many bytes of a small index and a small store.

`tests/system/test_every_byte.py` flips a bit of each byte.

A reader answers rightly, raises the error of a damaged file, or lacks a hit. It never returns
something that was not stored, and never ends the process: a child process reads the files.
"""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.fingerprint_store import StoreCorrupt, open_store, open_store_writer
from pipeline.index import IndexCorrupt, Insert, SearchTimeout, open_reader, open_writer
from tests.unit.fingerprint_store import model as store_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DOCUMENTS = 12
TERMS = 20
STRIDE = 7
"""A bit of each 7th byte is flipped; the place of the first byte is random."""

TIMEOUT = 5.0  # seconds of a search; an endless loop would take longer


def terms_of(document: int) -> Any:
    """Return the terms of a document; no two documents share more than a few."""
    draw = random.Random(document).sample(range(1 << 12), TERMS)
    return np.array(sorted(draw), np.uint32)


def make_index(path: Path) -> Path:
    """Write an index of two segments; document 3 is in both."""
    with open_writer(path, merge_in_background=False) as writer:
        writer.apply([Insert(each, terms_of(each)) for each in range(1, DOCUMENTS)], 1)
        writer.apply([Insert(each, terms_of(each)) for each in (3, DOCUMENTS)], 2)
    return path


def make_store(path: Path) -> Path:
    """Write a store of two segments."""
    with open_store_writer(path) as writer:
        writer.apply({each: store_model.row(each) for each in range(1, 5)}, 1, 1000)
        writer.apply({3: store_model.row(3), 5: store_model.row(5)}, 2, 2000)
    return path


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small index."""
    return make_index(tmp_path_factory.mktemp("every") / "index")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small store."""
    return make_store(tmp_path_factory.mktemp("every") / "store")


def search_each(path: Path) -> str:
    """Search each document; return what is wrong, an empty text for nothing."""
    try:
        with open_reader(path, must_exist=True) as reader:
            for document in range(1, DOCUMENTS + 1):
                for most in (None, 50):
                    [hits] = reader.search(
                        [terms_of(document)],
                        min_score=TERMS * 3 // 4,
                        max_postings=most,
                        timeout=TIMEOUT,
                    )
                    if not set(hits.ids.tolist()) <= {document}:
                        return f"a search of {document} found {hits.ids.tolist()}"
    except IndexCorrupt:
        return ""
    except SearchTimeout:
        return "a search did not end"
    return ""


def find_each(path: Path) -> str:
    """Find each fingerprint; return what is wrong, an empty text for nothing."""
    opened = open_store(path)
    try:
        rows = opened.find(range(1, 6)).rows
    except StoreCorrupt:
        return ""
    finally:
        opened.close()
    for key, row in rows.items():
        wanted = store_model.row(key)
        if (row.length, row.track_id, row.track_gid) != (
            wanted.length,
            wanted.track_id,
            wanted.track_gid,
        ):
            return f"{key} has another track or length"
        if row.words.size != wanted.words.size:
            return f"{key} has another number of words"
        # One bit of a fingerprint changes its score by less than a thousandth.
        if sum(int(each).bit_count() for each in row.words ^ wanted.words) > 1:
            return f"{key} has other words"
    return ""


def flips(path: Path, stride: int) -> Iterator[tuple[Path, int, int]]:
    """Yield a bit of each byte, or of each `stride`-th one, of all files but the lock."""
    draw = random.Random(4)
    for file in sorted(path.iterdir()):
        if file.name != "lock":
            for place in range(draw.randrange(stride), file.stat().st_size, stride):
                yield file, place, draw.randrange(8)


def check_all(
    original: Path, folder: Path, check: Callable[[Path], str], stride: int = STRIDE
) -> str:
    """Check each flip; return the first fault, an empty text for none."""
    shutil.copytree(original, folder)
    for file, place, bit in flips(folder, stride):
        data = file.read_bytes()
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        file.write_bytes(flipped)
        if fault := check(folder):
            return f"{file.name}, byte {place}, bit {bit}: {fault}"
        file.write_bytes(data)
    return check(folder)


def in_child(run: Callable[[], str]) -> str:
    """Return the result of a function that a forked process calls; "killed" if that is killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(write, run().encode())
        except BaseException as error:  # noqa: BLE001 - the parent reports it
            os.write(write, repr(error).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as result:
        found = result.read()
    _, status = os.waitpid(child, 0)
    return f"killed by signal {status}" if status else found


def test_bytes_of_an_index(index: Path, tmp_path: Path) -> None:
    assert search_each(index) == ""  # compiles the loops
    assert in_child(lambda: check_all(index, tmp_path / "index", search_each)) == ""


def test_bytes_of_a_store(store: Path, tmp_path: Path) -> None:
    assert find_each(store) == ""
    assert in_child(lambda: check_all(store, tmp_path / "store", find_each)) == ""


def test_a_file_that_is_cut_while_it_is_open_is_refused_at_the_next_check(
    index: Path, tmp_path: Path
) -> None:
    """A process that reads a part that was cut off would be killed."""
    folder = shutil.copytree(index, tmp_path / "index")

    def cut_and_search() -> str:
        with open_reader(folder) as reader:
            reader.search([terms_of(1)])
            for file in folder.glob("*.segment"):
                os.truncate(file, 8)
            try:
                reader.changelog_state()
            except IndexCorrupt:
                return ""
            return "not refused"

    assert in_child(cut_and_search) == ""


def test_a_changed_table_of_an_open_file_is_refused_at_the_next_check(
    index: Path, tmp_path: Path
) -> None:
    """The ids of documents are mapped: a search could return an id that was never stored."""
    folder = shutil.copytree(index, tmp_path / "index")
    [first, _] = sorted(folder.glob("*.segment"))
    with open_reader(folder) as reader:
        reader.search([terms_of(1)], accept=lambda _: True)
        with first.open("r+b") as file:
            file.seek(66)
            file.write(b"\x7f")
        with pytest.raises(IndexCorrupt, match="damaged documents"):
            reader.changelog_state()
