"""Searches the segments of an index for many queries at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.index.changes import check_terms
from pipeline.index.interface import Hits
from pipeline.index.postings import pack, unpack
from pipeline.index.sorted_ids import Ids, contains
from pipeline.index.term_blocks import Found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.index.segment import Segment
    from pipeline.index.segment_set import SegmentSet

# Postings gathered at a time: bounds the memory of a batch, and keeps it in the processor's cache.
GATHER_POSTINGS = 1 << 18


class Limits(NamedTuple):
    """Which hits of a query are worth returning.

    Attributes:
        limit: most hits.
        min_score: fewest terms in common.
        score_pct: hits below floor(best * score_pct / 100) are dropped.
        max_postings: most postings that may bring documents into the answer to a query.
        timeout: seconds that the search may take.
    """

    limit: int
    min_score: int
    score_pct: int
    max_postings: int | None = None
    timeout: float | None = None

    def check(self) -> None:
        """Raise ValueError if a value is out of range."""
        if self.limit < 1:
            raise ValueError(f"limit {self.limit} must be at least 1")
        if self.min_score < 1:
            raise ValueError(f"min_score {self.min_score} must be at least 1")
        if not 0 <= self.score_pct <= 100:
            raise ValueError(f"score_pct {self.score_pct} must be from 0 to 100")


class _Matches:
    """The postings that all queries find in one segment, ready to be gathered in parts."""

    def __init__(
        self, segment: Segment, shadowed: Ids, found: Found, pair_bounds: NDArray[np.int64]
    ) -> None:
        """Keep what was found for (query, term) pairs; query q has the pairs from bound q on."""
        self._segment = segment
        self._shadowed = shadowed
        self._found = found
        self._pair_bounds = pair_bounds
        self.bounds = np.concatenate([[0], np.cumsum(found.lengths)])[pair_bounds]

    def gather(self, first: int, last: int) -> list[NDArray[np.uint32]]:
        """Return the documents of each query from `first` to before `last`."""
        pairs = slice(self._pair_bounds[first], self._pair_bounds[last])
        documents = self._segment.gather(
            Found(self._found.starts[pairs], self._found.lengths[pairs])
        )
        bounds = (self.bounds[first : last + 1] - self.bounds[first]).tolist()
        parts = [documents[bounds[i] : bounds[i + 1]] for i in range(last - first)]
        if not self._shadowed.size:
            return parts
        return [part[~contains(self._shadowed, part)] for part in parts]


def search(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits
) -> list[Hits]:
    """Find the documents that share the most terms with each query.

    Every document is found in the segment of its newest version alone, so the documents of all
    segments can be counted together.

    Raises:
        TypeError: a query is not a uint32 array.
        ValueError: a query has more than one dimension, or a limit is out of range.
    """
    limits.check()
    for place, query in enumerate(queries):
        check_terms(query, f"query {place}")
    matches = _find(segments, queries)
    hits: list[Hits] = []
    for first, last in _parts(matches, len(queries)):
        found = [each.gather(first, last) for each in matches]
        hits.extend(
            rank(np.concatenate([_NOTHING, *(documents[i] for documents in found)]), limits)
            for i in range(last - first)
        )
    return hits


def rank(documents: NDArray[np.uint32], limits: Limits) -> Hits:
    """Count how often each document was found, and keep the best.

    Args:
        documents: uint32, shape (n,), any order; sorted in place.
        limits: which to keep.
    """
    documents.sort()
    # A document found m times lies m - 1 places before itself: one comparison leaves those with
    # min_score occurrences, each min_score - 1 shorter.
    spare = limits.min_score - 1
    if spare:
        documents = documents[:-spare][documents[:-spare] == documents[spare:]]
    if not documents.size:
        return Hits(np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int32))
    starts = np.flatnonzero(np.concatenate([_TRUE, documents[1:] != documents[:-1]]))
    scores = np.diff(starts, append=documents.size) + spare
    kept = _best(scores, limits)
    return Hits(documents[starts[kept]], scores[kept].astype(np.int32))


def _best(scores: NDArray[np.int64], limits: Limits) -> NDArray[np.int64]:
    """Return the places of the scores to keep, best first, equal ones in order."""
    floor = int(scores.max()) * limits.score_pct // 100
    places = np.flatnonzero(scores >= floor)
    if places.size > limits.limit:
        # Sorting only what can be among the first `limit` spares the long tail of chance hits.
        edge = -np.partition(-scores[places], limits.limit - 1)[limits.limit - 1]
        places = places[scores[places] >= edge]
    order = np.argsort(-scores[places], kind="stable")
    return places[order[: limits.limit]]


def _find(segments: SegmentSet, queries: Sequence[NDArray[np.uint32]]) -> list[_Matches]:
    """Look the distinct terms of all queries up in every segment."""
    count = len(queries)
    if not count:
        return []
    owners = np.repeat(np.arange(count, dtype=np.uint32), [query.size for query in queries])
    terms, owners = unpack(np.unique(pack(np.concatenate(queries), owners)))
    # Looked up in the order of terms, for the cache's sake; gathered in the order of queries.
    order = np.argsort(owners, kind="stable")
    bounds = np.searchsorted(owners[order], np.arange(count + 1))
    matches = []
    for segment, shadowed in zip(segments.segments, segments.shadowed, strict=True):
        found = segment.find(terms)
        by_query = Found(found.starts[order], found.lengths[order])
        matches.append(_Matches(segment, shadowed, by_query, bounds))
    return matches


def _parts(matches: list[_Matches], count: int) -> Iterator[tuple[int, int]]:
    """Cut the queries into runs that find about `GATHER_POSTINGS` postings, or one query each."""
    totals = np.zeros(count + 1, dtype=np.int64)
    for each in matches:
        totals += each.bounds
    first = 0
    while first < count:
        budget = totals[first] + GATHER_POSTINGS
        last = max(first + 1, int(np.searchsorted(totals, budget, side="right")) - 1)
        yield first, last
        first = last


_NOTHING = np.empty(0, dtype=np.uint32)
_TRUE = np.ones(1, dtype=np.bool_)
