"""The segment file: written in parts, read back whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.index import IndexCorrupt
from pipeline.index.postings import Postings
from pipeline.index.segment import Segment
from pipeline.index.segment_format import VERSION, SegmentEntry, file_size
from pipeline.index.segment_writer import SegmentWriter
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from pathlib import Path


def written(directory: Path, postings: Postings, part: int) -> SegmentEntry:
    ids = np.unique(np.concatenate([postings.documents, terms(1000)]))
    count = postings.terms.size
    with SegmentWriter(directory, SegmentEntry(7, ids.size, 1, count), ids, terms(1000)) as writer:
        for start in range(0, count, part):
            each = slice(start, start + part)
            writer.add(Postings(postings.terms[each], postings.documents[each]))
        return writer.finish()


def some_postings(count: int) -> Postings:
    numbers = np.arange(count, dtype=np.uint32)
    return Postings(numbers // 3 * 16, numbers % 3 + 1)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize("part", [1, 63, 64, 1000])
def test_postings_come_back_however_they_were_added(tmp_path: Path, count: int, part: int) -> None:
    postings = some_postings(count)
    entry = written(tmp_path, postings, part)
    segment = Segment(tmp_path, entry)
    segment.check()
    assert segment.heads_agree()
    everything = segment.between(0, None)
    assert everything.terms.tolist() == postings.terms.tolist()
    assert everything.documents.tolist() == postings.documents.tolist()
    assert segment.tombstones.tolist() == [1000]
    assert entry.size == file_size(entry) == (tmp_path / entry.file_name).stat().st_size


def test_documents_are_gathered_term_by_term(tmp_path: Path) -> None:
    segment = Segment(tmp_path, written(tmp_path, some_postings(200), 50))
    found = segment.find(terms(32, 40, 0))
    assert found.lengths.tolist() == [3, 0, 3]
    assert segment.gather(found).tolist() == [1, 2, 3, 1, 2, 3]
    assert segment.gather(segment.find(terms())).tolist() == []


def test_between_is_half_open(tmp_path: Path) -> None:
    segment = Segment(tmp_path, written(tmp_path, some_postings(30), 30))
    assert set(segment.between(32, 64).terms.tolist()) == {32, 48}


def test_the_file_begins_with_magic_and_version(tmp_path: Path) -> None:
    entry = written(tmp_path, some_postings(3), 3)
    data = (tmp_path / entry.file_name).read_bytes()
    assert entry.file_name == "0000000000000007.segment"
    assert data[:16] == b"AcoustSg" + VERSION.to_bytes(4, "little") + (64).to_bytes(4, "little")
    assert data[64:80] == b"".join(n.to_bytes(4, "little") for n in (1, 2, 3, 1000))


def test_an_unfinished_segment_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 postings added, 2 announced"):  # noqa: PT012, SIM117
        with SegmentWriter(tmp_path, SegmentEntry(1, 1, 0, 2), terms(1), terms()) as writer:
            writer.add(Postings(terms(16), terms(1)))
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_more_postings_than_announced_are_refused(tmp_path: Path) -> None:
    postings = some_postings(65)
    with (
        pytest.raises(ValueError, match="more heads than were announced"),
        SegmentWriter(tmp_path, SegmentEntry(1, 1, 0, 64), terms(1), terms()) as writer,
    ):
        writer.add(postings)


def test_another_segment_under_the_same_name_is_refused(tmp_path: Path) -> None:
    entry = written(tmp_path, some_postings(3), 3)
    (tmp_path / entry.file_name).unlink()
    written(tmp_path, Postings(terms(0, 0, 16), terms(1, 2, 3)), 3)
    with pytest.raises(IndexCorrupt, match=f"{entry.file_name}: is not the segment"):
        Segment(tmp_path, entry)
