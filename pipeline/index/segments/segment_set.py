"""The segments of one state of an index, and which of their documents are outdated."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.segments.sorted_ids import (
    Ids,
    Mask,
    contains,
    intersection,
    no_ids,
    union,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.index.segments.segment import IndexSegment
    from pipeline.index.segments.segment_format import IndexSegmentEntry
    from pipeline.index.segments.segment_table import Table

Overlaps = dict[tuple["IndexSegmentEntry", "IndexSegmentEntry"], Ids]


class SegmentSet:
    """An immutable list of segments, oldest first.

    Attributes:
        segments: the segments.
        shadowed: the sorted ids of each segment that a newer segment also has. Their postings in
            the older one are outdated.
        current: number of documents of each segment that searches can find.
        bases: number of documents in the segments before each one.
        outdated: whether each document number of a segment is outdated; empty if none is.
    """

    def __init__(
        self, segments: Iterable[IndexSegment] = (), overlaps: Overlaps | None = None
    ) -> None:
        """Find the documents that are outdated.

        Args:
            segments: oldest first.
            overlaps: the common ids of pairs of segments, as far as they are known. Segments never
                change, so each pair is computed once.
        """
        self.segments = tuple(segments)
        self._overlaps = self._pairs(overlaps or {})
        self.shadowed = tuple(self._shadowed(place) for place in range(len(self.segments)))
        sizes = [segment.documents.size for segment in self.segments]
        self.bases = tuple(accumulate(sizes, initial=0))[: len(sizes)]
        self.outdated = tuple(map(_outdated, self.segments, self.shadowed))
        self.current = tuple(
            segment.documents.size - int(np.count_nonzero(outdated))
            for segment, outdated in zip(self.segments, self.outdated, strict=True)
        )

    @cached_property
    def table(self) -> Table:
        """The segments as an argument of compiled loops, see `segment_table`."""
        from pipeline.index.segments.segment_table import segment_table  # noqa: PLC0415 - loops

        return segment_table(self.segments, self.bases, self.outdated)

    def with_segments(self, segments: Iterable[IndexSegment]) -> SegmentSet:
        """Return another list of segments; overlaps of those in both are not computed again."""
        return SegmentSet(segments, self._overlaps)

    def entries(self) -> tuple[IndexSegmentEntry, ...]:
        """Return the entries of the segments in the manifest."""
        return tuple(segment.entry for segment in self.segments)

    def documents(self) -> int:
        """Return the number of documents that searches can find."""
        return sum(self.current)

    def size(self) -> int:
        """Return the bytes of all segment files."""
        return sum(segment.entry.size for segment in self.segments)

    def bounds(self) -> list[int]:
        """Return the lowest and the highest id that searches can find in each segment, in one list.

        Segments without such ids are left out.
        """
        found = []
        for segment, shadowed in zip(self.segments, self.shadowed, strict=True):
            current = without(segment.documents, shadowed)
            found += [int(current[0]), int(current[-1])] if current.size else []
        return found

    def contains(self, ids: Ids) -> Mask:
        """Return which of `ids` any segment has, as a document or as a tombstone."""
        known = contains(no_ids(), ids)
        for segment in self.segments:
            known |= contains(segment.ids, ids)
        return known

    def _pairs(self, known: Overlaps) -> Overlaps:
        pairs: Overlaps = {}
        for place, newer in enumerate(self.segments):
            for older in self.segments[:place]:
                key = older.entry, newer.entry
                common = known.get(key)
                pairs[key] = intersection(older.ids, newer.ids) if common is None else common
        return pairs

    def _shadowed(self, place: int) -> Ids:
        older = self.segments[place].entry
        newer = self.segments[place + 1 :]
        return union([self._overlaps[older, segment.entry] for segment in newer])


def _outdated(segment: IndexSegment, shadowed: Ids) -> Mask:
    return contains(shadowed, segment.documents) if shadowed.size else _NONE


_NONE = np.empty(0, dtype=np.bool_)
