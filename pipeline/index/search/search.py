"""Searches the segments of an index for many queries at once.

A document is found only in the segment of its newest version, so the documents of all segments can
be counted together.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain, groupby, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.changes import MAX_ID, check_terms
from pipeline.index.errors import SearchTimeout
from pipeline.index.interface import Hits
from pipeline.index.search.answering import answer
from pipeline.index.search.best_hits import Cutoff, room_for
from pipeline.index.search.keys import split
from pipeline.index.search.many_terms import MANY_TERMS, answer_many_terms
from pipeline.index.search.query import (
    BLOCKS,
    LATE,
    PARTIAL,
    POSTINGS,
    REPORTED,
    TERMS,
    UNLIMITED,
    Bounds,
)
from pipeline.index.segments.segment_table import COLUMNS
from pipeline.loops.clock import deadline_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.index.segments.segment_set import SegmentSet
    from pipeline.index.segments.segment_table import Table

    Keys = NDArray[np.uint64]

# Maximum number of hits in a call of compiled code, and of queries.
HITS_AT_ONCE = 1 << 18
QUERIES_AT_ONCE = 16
_LONGEST: Final = 1e9  # seconds; a longer timeout does not fit into the clock's numbers


class Limits(NamedTuple):
    """The limits of one search.

    Attributes:
        limit: maximum number of hits.
        min_score: minimum number of terms in common.
        score_pct: hits below floor(best * score_pct / 100) are dropped.
        max_postings: maximum number of postings that may add documents to the answer to a query;
            None for an exact answer.
        timeout: maximum seconds for the search.
    """

    limit: int = 40
    min_score: int = 1
    score_pct: int = 10
    max_postings: int | None = None
    timeout: float | None = None

    def check(self) -> None:
        """Raise TypeError if a number has another type, ValueError if a value is out of range."""
        for name in ("limit", "min_score", "score_pct", "max_postings"):
            value = getattr(self, name)
            # Compiled code would be compiled again for another type.
            if value is not None and type(value) is not int:
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        if self.limit < 1:
            raise ValueError(f"limit {self.limit} must be at least 1")
        if self.min_score < 1:
            raise ValueError(f"min_score {self.min_score} must be at least 1")
        if not 0 <= self.score_pct <= 100:
            raise ValueError(f"score_pct {self.score_pct} must be from 0 to 100")
        if self.max_postings is not None and self.max_postings < 1:
            raise ValueError(f"max_postings {self.max_postings} must be at least 1")
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout {self.timeout} must be above 0 and finite")

    def cutoff(self, documents: int) -> Cutoff:
        """Return the condition for hits in an index with so many documents."""
        limit = min(self.limit, max(1, documents))
        return Cutoff(limit, min(self.min_score, MAX_ID), self.score_pct)

    def bounds(self) -> Bounds:
        """Return the bounds of the work of a search that begins now."""
        most = UNLIMITED if self.max_postings is None else min(self.max_postings, MAX_ID)
        timeout = None if self.timeout is None else min(self.timeout, _LONGEST)
        return Bounds(most, deadline_in(timeout))


def search(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits
) -> list[Hits]:
    """Find the documents that share the most terms with each query.

    Raises:
        TypeError: a query is not a uint32 array, or a limit is not an int.
        ValueError: a query has more than one dimension, or a limit is out of range.
        SearchTimeout: the search exceeded the timeout.
    """
    limits.check()
    _load_loops()
    bounds = limits.bounds()
    for place, query in enumerate(queries):
        check_terms(query, f"query {place}")
    cutoff = limits.cutoff(segments.documents())
    size = max(1, min(QUERIES_AT_ONCE, HITS_AT_ONCE // cutoff.limit))
    hits: list[Hits] = []
    for has_many_terms, group in groupby(queries, _has_many_terms):
        similar = list(group)
        answers: Iterable[tuple[Keys, list[int]]]
        if has_many_terms:
            answers = (answer_many_terms(segments.table, each, cutoff, bounds) for each in similar)
        else:
            parts = (similar[first : first + size] for first in range(0, len(similar), size))
            answers = chain.from_iterable(
                _answer_some(segments.table, part, cutoff, bounds) for part in parts
            )
        for keys, report in answers:
            if report[POSTINGS] == LATE:
                raise SearchTimeout(f"the search exceeded {limits.timeout} s")
            hits.append(_hits(keys, report))
    return hits


@lru_cache(maxsize=1)
def _load_loops() -> None:
    """Compile the loops, or load their code, before the timeout of the first search begins."""
    no_segments = np.zeros((0, COLUMNS), dtype=np.int64)
    query = np.empty(0, dtype=np.uint32)
    cutoff, bounds = Cutoff(1, 1, 0), Bounds(UNLIMITED, deadline_in(60.0))
    for keys, report in _answer_some(no_segments, [query], cutoff, bounds):
        _hits(keys, report)


def _has_many_terms(query: NDArray[np.uint32]) -> bool:
    return query.size > MANY_TERMS


def _answer_some(
    table: Table, queries: Sequence[NDArray[np.uint32]], cutoff: Cutoff, bounds: Bounds
) -> Iterator[tuple[Keys, list[int]]]:
    """Yield keys and report of each query; their hits fit into one array."""
    keys = np.empty(len(queries) * cutoff.limit, dtype=np.uint64)
    reports = np.zeros((len(queries), REPORTED), dtype=np.int64)
    sizes = np.array([query.size for query in queries])
    best = room_for(cutoff.limit)
    ends = answer(table, np.concatenate(queries), sizes, cutoff, bounds, best, keys, reports)
    for (start, end), report in zip(pairwise(ends.tolist()), reports.tolist(), strict=True):
        yield keys[start:end], report


def _hits(keys: Keys, report: Sequence[int]) -> Hits:
    """Return hits, given their keys."""
    documents, scores = split(keys)
    return Hits(
        documents,
        scores,
        terms=report[TERMS],
        partial=bool(report[PARTIAL]),
        postings=report[POSTINGS],
        blocks=report[BLOCKS],
    )
