"""The segment file: written in parts, read back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.index import IndexCorrupt
from pipeline.index.segments.postings import PostingRanges, Renumbering, documents_of
from pipeline.index.segments.segment import IndexSegment
from pipeline.index.segments.segment_format import VERSION, IndexSegmentEntry, file_size
from pipeline.index.segments.segment_writer import SegmentWriter
from pipeline.index.segments.term_codes import DROPPED, common_shift, locate
from pipeline.storage.segment_files import uncommitted
from tests.unit.index.model import pack, terms, terms_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.index.segments.postings import Keys


def written(directory: Path, keys: Keys, part: int) -> IndexSegmentEntry:
    """Write a segment of documents 10, 20, 30... and a tombstone."""
    held = terms_of(keys)
    documents = np.arange(10, 10 * int(documents_of(keys).max(initial=0)) + 11, 10, np.uint32)
    planned = IndexSegmentEntry(
        7,
        documents=documents.size,
        tombstones=1,
        postings=keys.size,
        top_term=int(held.max(initial=0)),
        shift=common_shift(keys),
        position=12,
    )
    with SegmentWriter(directory, planned, documents, terms(1000)) as writer:
        for start in range(0, keys.size, part):
            writer.add(keys[start : start + part])
        return writer.finish()


def some_keys(count: int, gap: int = 16) -> Keys:
    """Return postings of three documents for each term."""
    numbers = np.arange(count, dtype=np.uint32)
    return pack(numbers // 3 * gap, numbers % 3)


@pytest.mark.parametrize("gap", [1, 16, 1 << 22])
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize("part", [1, 63, 64, 1000])
def test_postings_come_back_however_they_were_added(
    tmp_path: Path, count: int, part: int, gap: int
) -> None:
    keys = some_keys(count, gap)
    entry = written(tmp_path, keys, part)
    segment = IndexSegment(tmp_path, entry)
    segment.check()
    assert segment.directory_agrees()
    assert segment.keys(0, count).tolist() == keys.tolist()
    assert np.concatenate([terms(), *segment.parts()]).tolist() == keys.tolist()
    assert segment.tombstones.tolist() == [1000]
    assert entry.size == file_size(entry) == uncommitted(tmp_path / entry.file_name).stat().st_size


def test_terms_are_found(tmp_path: Path) -> None:
    segment = IndexSegment(tmp_path, written(tmp_path, some_keys(200), 50))
    found = PostingRanges(np.empty(4, np.int64), np.empty(4, np.int64))
    locate(terms(0, 32, 40, 2**32 - 1), segment.layout, segment.code, found)
    assert found.lengths.tolist() == [3, 3, 0, 0]
    assert found.starts[:2].tolist() == [0, 6]


def test_documents_can_be_numbered_anew_and_dropped(tmp_path: Path) -> None:
    segment = IndexSegment(tmp_path, written(tmp_path, some_keys(30), 30))
    keys = segment.keys(segment.seek(32), segment.seek(64), Renumbering(terms(5, DROPPED, 7)))
    assert keys.tolist() == pack(terms(32, 32, 48, 48), terms(5, 7, 5, 7)).tolist()


def test_the_file_begins_with_magic_and_version(tmp_path: Path) -> None:
    entry = written(tmp_path, some_keys(3), 3)
    data = uncommitted(tmp_path / entry.file_name).read_bytes()
    assert entry.file_name == "0000000000000007.segment"
    assert data[:16] == b"AcoustSg" + VERSION.to_bytes(4, "little") + (64).to_bytes(4, "little")
    assert data[64:80] == b"".join(n.to_bytes(4, "little") for n in (10, 20, 30, 0))


def test_an_unfinished_segment_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 postings added, 2 announced"):  # noqa: PT012, SIM117
        with SegmentWriter(tmp_path, IndexSegmentEntry(1, 1, 0, 2), terms(1), terms()) as writer:
            writer.add(some_keys(1))
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_more_postings_than_announced_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="more postings than were announced"),
        SegmentWriter(tmp_path, IndexSegmentEntry(1, 1, 0, 64), terms(1), terms()) as writer,
    ):
        writer.add(some_keys(65))


def test_another_segment_under_the_same_name_is_refused(tmp_path: Path) -> None:
    entry = written(tmp_path, some_keys(3), 3)
    uncommitted(tmp_path / entry.file_name).unlink()
    written(tmp_path, pack(terms(0, 0, 16), terms(0, 1, 2)), 3)
    with pytest.raises(IndexCorrupt, match=f"{entry.file_name}: is not the segment"):
        IndexSegment(tmp_path, entry)
