"""Merges neighbouring segments into one, a slice of the term range at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.index.postings import Postings, pack, unpack
from pipeline.index.segment_format import SegmentEntry
from pipeline.index.segment_writer import SegmentWriter
from pipeline.index.sorted_ids import Ids, contains, no_ids, union, without

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.index.segment import Segment
    from pipeline.index.segment_set import SegmentSet

# Postings sorted at a time: 2 MB of keys, which stay in the processor's cache.
SLICE_POSTINGS = 1 << 18


class _Input(NamedTuple):
    segment: Segment
    shadowed: Ids

    def between(self, low: int, high: int | None) -> Postings:
        postings = self.segment.between(low, high)
        if not self.shadowed.size:
            return postings
        keep = ~contains(self.shadowed, postings.documents)
        return Postings(postings.terms[keep], postings.documents[keep])


def merge(directory: Path, number: int, segments: SegmentSet, run: slice) -> SegmentEntry | None:
    """Write the segment that takes the place of `segments.segments[run]`.

    Every version but the newest is dropped; tombstones too if the run holds the oldest segment,
    since nothing is left for them to hide.

    Memory is a few times `SLICE_POSTINGS`, unless a single term has more postings than that.

    Returns:
        The new segment, written and synced, or None if nothing is left to write.

    Raises:
        OSError: the disk is full or failing; no file is left.
    """
    inputs = [
        _Input(*pair) for pair in zip(segments.segments[run], segments.shadowed[run], strict=True)
    ]
    ids = union([without(each.segment.ids, each.shadowed) for each in inputs])
    tombstones = union([without(each.segment.tombstones, each.shadowed) for each in inputs])
    if run.start == 0:
        ids, tombstones = without(ids, tombstones), no_ids()
    if not ids.size:
        return None
    cuts = _cuts(inputs)
    postings = sum(_count(each, cuts) for each in inputs)
    position = max(each.segment.entry.position for each in inputs)
    entry = SegmentEntry(number, ids.size, tombstones.size, postings, position)
    with SegmentWriter(directory, entry, ids, tombstones) as writer:
        for low, high in _spans(cuts):
            parts = [each.between(low, high) for each in inputs]
            keys = np.concatenate([pack(*part) for part in parts])
            keys.sort()
            writer.add(unpack(keys))
        return writer.finish()


def _cuts(inputs: list[_Input]) -> list[int]:
    """Return terms that cut the merge into spans of about `SLICE_POSTINGS` postings."""
    step = max(1, SLICE_POSTINGS // (2 * len(inputs)))
    samples = np.concatenate([each.segment.split_terms(step) for each in inputs])
    samples.sort()
    return [0, *(int(term) for term in np.unique(samples[len(inputs) :: len(inputs)]) if term)]


def _spans(cuts: list[int]) -> Iterator[tuple[int, int | None]]:
    yield from zip(cuts, [*cuts[1:], None], strict=True)


def _count(each: _Input, cuts: list[int]) -> int:
    if not each.shadowed.size:
        return each.segment.entry.postings
    return sum(each.between(low, high).terms.size for low, high in _spans(cuts))
