"""Searches the segments of an index for many queries at once.

Every document is found in the segment of its newest version alone, so the documents of all
segments can be counted together.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import candidates, tally
from pipeline.index.changes import check_terms
from pipeline.index.errors import SearchTimeout
from pipeline.index.interface import Hits
from pipeline.index.postings import documents_of, terms_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.index.limits import Limits
    from pipeline.index.segment_set import SegmentSet

    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

# Postings gathered at a time: bounds the memory of a batch, and keeps it in the processor's cache.
GATHER_POSTINGS = 1 << 18
# Scores of so many candidates, times the limit, are completed by the terms that brought in none.
COMPLETED = 2


def search(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits
) -> list[Hits]:
    """Find the documents that share the most terms with each query.

    Raises:
        TypeError: a query is not a uint32 array.
        ValueError: a query has more than one dimension, or a limit is out of range.
        SearchTimeout: the search was not done in time.
    """
    limits.check()
    deadline = None if limits.timeout is None else time.monotonic() + limits.timeout
    for place, query in enumerate(queries):
        check_terms(query, f"query {place}")
    if not queries:
        return []
    question = _Question(segments, queries, limits)
    hits: list[Hits] = []
    for first, last in question.parts():
        if deadline is not None and time.monotonic() > deadline:
            raise SearchTimeout(f"the search was not done in {limits.timeout} s")
        hits += question.answer(first, last)
    return hits


class _Question:
    """All queries of a search, looked up in all segments."""

    def __init__(
        self, segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits
    ) -> None:
        """Find the postings of all distinct (query, term) pairs."""
        self._segments = segments
        self._cutoff = tally.Cutoff(
            limits.limit, limits.min_score, limits.score_pct, COMPLETED * limits.limit
        )
        terms = np.concatenate(queries)
        self._bounds: Places = np.empty(len(queries) + 1, dtype=np.int64)
        ends = np.cumsum([query.size for query in queries])
        terms = terms[: candidates.distinct(terms, ends, self._bounds)]
        self._found = [segment.find(terms) for segment in segments.segments]
        totals = np.zeros(terms.size, dtype=np.int64)
        for found in self._found:
            totals += found.lengths
        self._brings = np.ones(terms.size, dtype=np.bool_)
        if limits.max_postings is not None:
            candidates.choose(self._bounds, totals, limits.max_postings, self._brings)
        brought = np.concatenate([[0], np.cumsum(totals * self._brings)])
        self._postings: Places = brought[self._bounds]
        kept_back = np.concatenate([[0], np.cumsum(~self._brings & (totals > 0))])
        self._kept_back: Places = np.diff(kept_back[self._bounds])

    def parts(self) -> Iterator[tuple[int, int]]:
        """Cut the queries into runs of about `GATHER_POSTINGS` postings, or one query each."""
        first, count = 0, self._bounds.size - 1
        while first < count:
            budget = self._postings[first] + GATHER_POSTINGS
            behind = int(np.searchsorted(self._postings, budget, side="right"))
            last = min(max(first + 1, behind - 1), count)
            yield first, last
            first = last

    def answer(self, first: int, last: int) -> list[Hits]:
        """Return the hits of the queries `first` to `last`."""
        owners, documents, scores = self._tallied(first, last, *self._gathered(first, last))
        bounds = self._bounds[first : last + 1]
        if self._kept_back[first:last].any():
            for place, base in enumerate(self._segments.bases):
                self._complete(place, base, bounds, (owners, documents, scores))
        keys = (~scores.astype(np.uint64)) << np.uint64(32)
        for place, base in enumerate(self._segments.bases):
            candidates.resolve(documents, base, self._segments.segments[place].documents, keys)
        hits: Places = np.empty(last - first + 1, dtype=np.int64)
        tally.rank(keys, owners, self._cutoff, hits)
        ids, totals = documents_of(keys), (~terms_of(keys)).astype(np.int32)
        ends = hits.tolist()
        return [Hits(ids[i:j], totals[i:j]) for i, j in pairwise(ends)]

    def _gathered(self, first: int, last: int) -> tuple[Numbers, Places, Places]:
        """Return the documents that were found, where those of each query begin, and where end."""
        begins = self._postings[first:last] - self._postings[first]
        found = np.empty(int(self._postings[last] - self._postings[first]), dtype=np.uint32)
        ends = begins.copy()
        for place, base in enumerate(self._segments.bases):
            segment = self._segments.segments[place]
            candidates.gather(
                self._bounds[first : last + 1],
                self._brings,
                self._found[place],
                segment.code,
                segment.layout.document_bits,
                base,
                self._segments.dead[place],
                found,
                ends,
            )
        return found, begins, ends

    def _tallied(
        self, first: int, last: int, found: Numbers, begins: Places, ends: Places
    ) -> tuple[Numbers, Numbers, NDArray[np.int32]]:
        """Count the documents that were found; return owners, documents and scores of the best."""
        owners, documents = np.empty_like(found), np.empty_like(found)
        scores = np.empty(found.size, dtype=np.int32)
        count = tally.tally(
            found,
            begins,
            ends,
            np.diff(self._bounds[first : last + 1]),
            self._kept_back[first:last],
            self._cutoff,
            owners,
            documents,
            scores,
        )
        return owners[:count], documents[:count], scores[:count]

    def _complete(
        self,
        place: int,
        base: int,
        bounds: Places,
        scored: tuple[Numbers, Numbers, NDArray[np.int32]],
    ) -> None:
        """Add the terms that brought in no documents to the scores in one segment."""
        segment = self._segments.segments[place]
        candidates.complete(
            *scored,
            bounds,
            self._brings,
            self._found[place],
            segment.code,
            segment.layout.document_bits,
            base,
            segment.entry.documents,
        )
