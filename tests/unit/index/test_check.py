"""verify() finds what a correct writer would never have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.index import Insert, open_writer, segment, verify
from pipeline.index.manifest import Manifest, write_manifest
from pipeline.index.postings import Postings
from pipeline.index.segment_format import SegmentEntry
from pipeline.index.segment_writer import SegmentWriter
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import uint32
    from numpy.typing import NDArray


def make_index(
    path: Path,
    ids: NDArray[uint32],
    tombstones: NDArray[uint32],
    postings: Postings,
    next_: int = 2,
) -> str:
    """Write an index of one segment without asking whether it makes sense."""
    path.mkdir()
    planned = SegmentEntry(1, ids.size, tombstones.size, postings.terms.size)
    with SegmentWriter(path, planned, ids, tombstones) as writer:
        writer.add(postings)
        entry = writer.finish()
    write_manifest(path, Manifest(1, 1, next_, (entry,)))
    return str(path / entry.file_name)


def test_a_good_index_has_no_problems(path: Path) -> None:
    with open_writer(path) as writer:
        for number in range(1, 15):
            writer.apply([Insert(number, terms(16, 32))], number)
    assert verify(path) == []
    assert verify(str(path)) == []


def test_no_index_is_a_problem(path: Path) -> None:
    assert verify(path) == [f"{path}/manifest: is missing; there is no index here"]


NO_POSTINGS = Postings(terms(), terms())
ONE_POSTING = Postings(terms(16), terms(1))


@pytest.mark.parametrize(
    ("ids", "tombstones", "postings", "problem"),
    [
        (terms(2, 1), terms(), NO_POSTINGS, "its ids are not sorted and distinct"),
        (terms(1, 1), terms(), NO_POSTINGS, "its ids are not sorted and distinct"),
        (terms(1, 2), terms(2, 2), NO_POSTINGS, "its tombstones are not sorted and distinct"),
        (terms(1), terms(2), NO_POSTINGS, "it holds tombstones of documents that are not among"),
        (terms(0, 1), terms(), ONE_POSTING, "it holds a document with id 0"),
        (terms(2), terms(), ONE_POSTING, "it holds postings of documents that are not among"),
        (terms(1, 2), terms(1), ONE_POSTING, "it holds postings of documents that are not among"),
    ],
)
def test_senseless_content_is_named(
    path: Path,
    ids: NDArray[uint32],
    tombstones: NDArray[uint32],
    postings: Postings,
    problem: str,
) -> None:
    name = make_index(path, ids, tombstones, postings)
    [found] = verify(path)
    assert found.startswith(f"{name}: {problem}")


@pytest.mark.parametrize("part", [1, 2, 100])
@pytest.mark.parametrize(
    "postings",
    [
        Postings(terms(32, 16), terms(1, 1)),
        Postings(terms(16, 16), terms(2, 1)),
        Postings(terms(16, 16), terms(1, 1)),
    ],
)
def test_unsorted_postings_are_found_across_parts(
    path: Path, postings: Postings, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "PART_POSTINGS", part)
    name = make_index(path, terms(1, 2), terms(), postings)
    assert verify(path) == [f"{name}: its postings are not sorted and distinct"]


def test_a_segment_number_to_be_given_again_is_a_problem(path: Path) -> None:
    make_index(path, terms(1), terms(), ONE_POSTING, next_=1)
    assert verify(path) == [f"{path}/manifest: names segment 1 but gives out 1 next"]


def test_every_damaged_segment_is_listed(path: Path) -> None:
    with open_writer(path) as writer:
        for number in (1, 2, 3):
            writer.apply([Insert(number, terms(16, 32))], number)
    first, second, third = sorted(path.glob("*.segment"))
    first.unlink()
    data = bytearray(third.read_bytes())
    data[-45] ^= 1
    third.write_bytes(data)
    problems = verify(path)
    assert len(problems) == 2
    assert problems[0] == f"{first}: is missing"
    assert problems[1].startswith(f"{third}: has damaged documents")
    assert second.exists()
