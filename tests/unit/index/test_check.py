"""verify() finds content that a correct writer never writes."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.index import Insert, open_writer, verify
from pipeline.index.index_manifest import INDEX_FORMAT, IndexManifest
from pipeline.index.segments import segment
from pipeline.index.segments.segment_format import (
    FOOTER_BYTES,
    IndexSegmentEntry,
    encode_footer,
    footer_checksum,
    section_bounds,
)
from pipeline.index.segments.segment_writer import SegmentWriter
from pipeline.storage.manifest import read_manifest, write_manifest
from tests.unit.index.model import pack, terms

if TYPE_CHECKING:
    from pathlib import Path

    from numpy import uint32
    from numpy.typing import NDArray

    from pipeline.index.segments.postings import Keys


def make_index(
    path: Path,
    documents: NDArray[uint32],
    tombstones: NDArray[uint32],
    keys: Keys,
    next_: int = 2,
) -> str:
    """Write an index of one segment without any check of its content."""
    path.mkdir()
    planned = IndexSegmentEntry(1, documents.size, tombstones.size, keys.size, top_term=32, shift=4)
    with SegmentWriter(path, planned, documents, tombstones) as writer:
        writer.add(keys)
        entry = writer.finish()
    write_manifest(INDEX_FORMAT, path, IndexManifest(1, 1, next_, (entry,)))
    return str(path / entry.file_name)


def test_a_good_index_has_no_problems(path: Path) -> None:
    with open_writer(path) as writer:
        for number in range(1, 15):
            writer.apply([Insert(number, terms(16, 32))], number)
    assert verify(path) == []
    assert verify(str(path)) == []


NO_POSTINGS = pack(terms(), terms())
ONE_POSTING = pack(terms(16), terms(0))


@pytest.mark.parametrize(
    ("documents", "tombstones", "keys", "problem"),
    [
        (terms(2, 1), terms(), NO_POSTINGS, "its documents are not sorted and distinct"),
        (terms(1, 1), terms(), NO_POSTINGS, "its documents are not sorted and distinct"),
        (terms(1), terms(2, 2), NO_POSTINGS, "its tombstones are not sorted and distinct"),
        (terms(1, 2), terms(2), NO_POSTINGS, "it has tombstones of its own documents"),
        (terms(0, 1), terms(), ONE_POSTING, "it has a document with id 0"),
        (terms(1), terms(0), ONE_POSTING, "it has a document with id 0"),
        (terms(), terms(1), ONE_POSTING, "it has postings of documents that it does not have"),
    ],
)
def test_senseless_content_is_named(
    path: Path,
    documents: NDArray[uint32],
    tombstones: NDArray[uint32],
    keys: Keys,
    problem: str,
) -> None:
    name = make_index(path, documents, tombstones, keys)
    [found] = verify(path)
    assert found.startswith(f"{name}: {problem}")


@pytest.mark.parametrize("part", [1, 2, 100])
@pytest.mark.parametrize("documents", [(1, 0), (0, 0)])
def test_unsorted_postings_are_found_across_parts(
    path: Path, documents: tuple[int, int], part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "PART_POSTINGS", part)
    name = make_index(path, terms(1, 2), terms(), pack(terms(16, 16), terms(*documents)))
    assert verify(path) == [f"{name}: its postings are not sorted and distinct"]


def test_a_directory_that_does_not_agree_with_the_terms_is_found(path: Path) -> None:
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(*range(0, 2**20, 2**12)))], 1)
    [file] = path.glob("*.segment")
    manifest = read_manifest(INDEX_FORMAT, path)
    assert manifest
    [entry] = manifest.segments
    start, _ = section_bounds(entry)["directory"]
    data = bytearray(file.read_bytes())
    data[start + 4] ^= 1
    sealed = reseal(data, entry)
    file.write_bytes(sealed)
    checksum = footer_checksum(sealed[-FOOTER_BYTES:])
    write_manifest(
        INDEX_FORMAT, path, replace(manifest, segments=(entry._replace(checksum=checksum),))
    )
    assert verify(path) == [f"{file}: its directory does not agree with its terms"]


def reseal(data: bytearray, entry: IndexSegmentEntry) -> bytes:
    """Return a segment's file with the checksums that its content should have."""
    crcs = [zlib.crc32(data[start:end]) for start, end in section_bounds(entry).values()]
    return bytes(data[:-FOOTER_BYTES]) + encode_footer(crcs, entry.size)
