"""Merging neighbours, in slices of the term range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.index import Change, Delete, Insert
from pipeline.index.changes import fold
from pipeline.index.index_manifest import INDEX_FORMAT, IndexManifest
from pipeline.index.merging import merge
from pipeline.index.segments.segment_set import SegmentSet
from pipeline.index.segments.segment_writer import SegmentWriter
from pipeline.index.writer import append_changes, merge_run
from pipeline.storage.merge_scheduling import replaced
from pipeline.storage.writer import StorageWriter
from tests.unit.index.model import postings, terms

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.index.segments.postings import Keys

    Storage = StorageWriter[IndexManifest, SegmentSet]

ID = st.integers(1, 12)
CHANGE = st.builds(
    Insert, ID, st.lists(st.integers(0, 40).map(lambda n: 16 * n)).map(lambda ts: terms(*ts))
) | st.builds(Delete, ID)
BATCHES = st.lists(st.lists(CHANGE, min_size=1, max_size=10), min_size=2, max_size=5)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """The writer of an empty folder."""
    return StorageWriter(INDEX_FORMAT, tmp_path)


def stacked(storage: Storage, batches: list[list[Change]]) -> SegmentSet:
    segments = SegmentSet()
    for changes in batches:
        segments = append_changes(storage, segments, fold(changes))
    return segments


def merged(storage: Storage, segments: SegmentSet, run: slice) -> SegmentSet:
    return replaced(segments, segments.segments[run], merge_run(storage, segments, run))


def current(segments: SegmentSet) -> dict[int, set[int]]:
    """Return what a search could find: id to terms."""
    found: dict[int, set[int]] = {}
    for segment, shadowed in zip(segments.segments, segments.shadowed, strict=True):
        hidden = set(shadowed.tolist())
        found.update({id_: set() for id_ in segment.documents.tolist() if id_ not in hidden})
        for term, id_ in postings(segment, segment.keys(0, segment.entry.postings)):
            if id_ not in hidden:
                found[id_].add(term)
    return found


@given(batches=BATCHES, data=st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_merging_any_run_changes_no_content(
    storage: Storage, batches: list[list[Change]], data: st.DataObject
) -> None:
    before = stacked(storage, batches)
    count = len(before.segments)
    if count < 2:
        return
    start = data.draw(st.integers(0, count - 2))
    run = slice(start, data.draw(st.integers(start + 2, count)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "SLICE_POSTINGS", data.draw(st.sampled_from([1, 8, 1 << 18])))
        after = merged(storage, before, run)
    assert current(after) == current(before)
    assert after.documents() == before.documents()
    for segment in after.segments:
        segment.check()
        assert segment.directory_agrees()


def test_superseded_versions_are_dropped(storage: Storage) -> None:
    segments = stacked(
        storage, [[Insert(1, terms(16)), Insert(2, terms(16))], [Insert(1, terms(32))]]
    )
    [segment] = merged(storage, segments, slice(0, 2)).segments
    assert postings(segment, segment.keys(0, 2)) == [(16, 2), (32, 1)]
    assert segment.ids.tolist() == [1, 2]


def test_what_a_segment_outside_the_run_supersedes_is_dropped_too(storage: Storage) -> None:
    segments = stacked(
        storage, [[Insert(1, terms(16))], [Insert(2, terms(16))], [Insert(1, terms(32))]]
    )
    after = merged(storage, segments, slice(0, 2))
    assert after.segments[0].ids.tolist() == [2]


def test_tombstones_stay_while_an_older_segment_may_hold_the_document(storage: Storage) -> None:
    first: list[Change] = [Insert(1, terms(16)), Insert(2, terms(16))]
    segments = stacked(storage, [first, [Delete(1)], [Insert(3, terms(16))]])
    newer = merged(storage, segments, slice(1, 3))
    assert newer.segments[1].tombstones.tolist() == [1]
    assert newer.segments[1].ids.tolist() == [1, 3]
    whole = merged(storage, newer, slice(0, 2))
    assert whole.segments[0].tombstones.tolist() == []
    assert whole.segments[0].ids.tolist() == [2, 3]


def test_a_deletion_of_an_unknown_document_leaves_no_segment(storage: Storage) -> None:
    assert stacked(storage, [[Delete(1), Delete(2)]]).segments == ()


def test_a_slice_of_a_merge_holds_about_as_many_postings_as_asked(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[Change]] = [
        [Insert(10 * part + n, terms(*range(n, 2000, 7))) for n in range(1, 10)]
        for part in range(3)
    ]
    segments = stacked(storage, batches)
    sizes: list[int] = []
    add = SegmentWriter.add

    def counted(writer: SegmentWriter, keys: Keys) -> None:
        sizes.append(keys.size)
        add(writer, keys)

    monkeypatch.setattr(SegmentWriter, "add", counted)
    monkeypatch.setattr(merge, "SLICE_POSTINGS", 1000)
    merged(storage, segments, slice(0, 3))
    assert sum(sizes) == sum(segment.entry.postings for segment in segments.segments)
    assert max(sizes) <= 1000 + 27  # every document may hold the term at a cut
    assert len(sizes) <= 3 * sum(sizes) / 1000


def test_deletions_alone_do_not_widen_the_terms(storage: Storage) -> None:
    """A segment without terms has none with low bits set."""
    segments = stacked(storage, [[Insert(1, terms(16, 32)), Insert(2, terms(48))], [Delete(1)]])
    [entry] = merged(storage, segments, slice(0, 2)).entries()
    assert entry.shift == 4
