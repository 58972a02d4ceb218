"""Merges neighbouring segments into one, a slice of the term range at a time.

While one slice is encoded and written, another thread decodes and sorts the next. Both are compiled
loops, which run in parallel.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.index.merging.runs import merge_runs
from pipeline.index.segments.postings import Renumbering
from pipeline.index.segments.segment_format import IndexSegmentEntry
from pipeline.index.segments.segment_writer import SegmentWriter
from pipeline.index.segments.sorted_ids import Ids, contains, no_ids, union, without
from pipeline.index.segments.term_codes import DROPPED
from pipeline.storage.errors import MergeStopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.index.segments.postings import Keys
    from pipeline.index.segments.segment import IndexSegment
    from pipeline.index.segments.segment_set import SegmentSet

# Postings sorted at a time: 2 MB of keys, which stay in the processor's cache.
SLICE_POSTINGS = 1 << 18


class _Input(NamedTuple):
    """A segment to merge.

    Attributes:
        segment: the segment.
        numbers: the numbers of its documents in the merged segment.
    """

    segment: IndexSegment
    numbers: Renumbering

    def between(self, low: int, high: int | None) -> Keys:
        """Return the postings with low <= term < high, or to the end if `high` is None."""
        last = self.segment.entry.postings if high is None else self.segment.seek(high)
        return self.segment.keys(self.segment.seek(low), last, self.numbers)

    def postings(self) -> int:
        """Return the number of postings that it adds to the merged segment."""
        if not (self.numbers.table == DROPPED).any():
            return self.segment.entry.postings
        step = SLICE_POSTINGS
        ends = range(step, self.segment.entry.postings + step, step)
        return sum(
            self.segment.keys(end - step, self._within(end), self.numbers).size for end in ends
        )

    def _within(self, posting: int) -> int:
        return min(posting, self.segment.entry.postings)


def merge(
    directory: Path,
    number: int,
    segments: SegmentSet,
    run: slice,
    stopped: Callable[[], bool] = lambda: False,
) -> IndexSegmentEntry | None:
    """Write the segment that replaces `segments.segments[run]`.

    Only the newest version of each document is kept. Tombstones are dropped if the run contains
    the oldest segment: then there is no older version to hide.

    Memory is a few times `SLICE_POSTINGS`, unless a single term has more postings than that.

    Args:
        directory: the folder of the index.
        number: the number of the new segment.
        segments: all segments.
        run: the segments to merge.
        stopped: is called before each slice; the merge ends early if it returns True.

    Returns:
        The new segment, written and synced, or None if nothing is left to write.

    Raises:
        OSError: the disk is full or failing; no file is left.
        MergeStopped: `stopped` returned True; no file is left.
    """
    chosen = segments.segments[run]
    current = [
        without(segment.documents, shadowed)
        for segment, shadowed in zip(chosen, segments.shadowed[run], strict=True)
    ]
    documents = union(current)
    tombstones = _tombstones(segments, run)
    if not documents.size and not tombstones.size:
        return None
    inputs = [
        _Input(segment, _numbers(segment.documents, kept, documents))
        for segment, kept in zip(chosen, current, strict=True)
    ]
    entry = IndexSegmentEntry(
        number,
        documents=documents.size,
        tombstones=tombstones.size,
        postings=sum(each.postings() for each in inputs),
        top_term=max(segment.entry.top_term for segment in chosen),
        # A segment that has only tombstones has no terms, so it does not limit the shift.
        shift=min((each.entry.shift for each in chosen if each.entry.postings), default=0),
        position=max(segment.entry.position for segment in chosen),
    )
    with SegmentWriter(directory, entry, documents, tombstones) as writer:
        for keys in _merged(inputs):
            if stopped():
                raise MergeStopped
            writer.add(keys)
            writer.begin_sync()
        return writer.finish()


def _merged(inputs: list[_Input]) -> Iterator[Keys]:
    """Return the postings of the merged segment in slices; the next one is made in advance."""
    with ThreadPoolExecutor(1, "index-merge") as ahead:
        slices = (ahead.submit(_slice, inputs, *span) for span in _spans(inputs))
        coming = next(slices)
        for following in slices:
            keys, coming = coming.result(), following
            yield keys
        yield coming.result()


def _slice(inputs: list[_Input], low: int, high: int | None) -> Keys:
    runs = [each.between(low, high) for each in inputs]
    ends = np.cumsum([run.size for run in runs])
    return merge_runs(np.concatenate(runs), ends)


def _tombstones(segments: SegmentSet, run: slice) -> Ids:
    if run.start == 0:
        return no_ids()
    return union(
        [
            without(segment.tombstones, shadowed)
            for segment, shadowed in zip(
                segments.segments[run], segments.shadowed[run], strict=True
            )
        ]
    )


def _numbers(documents: Ids, current: Ids, merged: Ids) -> Renumbering:
    """Return the numbers of a segment's documents in the merged segment."""
    numbers = np.searchsorted(merged, documents).astype(np.uint32)
    if current.size < documents.size:
        numbers[~contains(current, documents)] = DROPPED
    elif documents.size and numbers[-1] - numbers[0] == documents.size - 1:
        # No document of another segment is between them, as usual for new ids: an offset is
        # sufficient.
        return Renumbering(no_ids(), int(numbers[0]))
    return Renumbering(numbers)


def _spans(inputs: list[_Input]) -> Iterator[tuple[int, int | None]]:
    """Return half-open ranges of terms with about `SLICE_POSTINGS` postings each."""
    step = max(1, SLICE_POSTINGS // (2 * len(inputs)))
    samples = np.concatenate([each.segment.split_terms(step) for each in inputs])
    samples.sort()
    cuts = [0, *(int(term) for term in np.unique(samples[len(inputs) :: len(inputs)]) if term)]
    yield from zip(cuts, [*cuts[1:], None], strict=True)
