"""Searches the segments of an index for many queries at once.

A document is found only in the segment of its newest version, so the documents of all segments can
be counted together.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.index.changes import check_terms
from pipeline.index.errors import SearchTimeout
from pipeline.index.interface import Hits
from pipeline.index.search.answering import NO_BUDGET, answer
from pipeline.index.search.counting import Cutoff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.index.segments.segment_set import SegmentSet

# Maximum number of hits in a call of compiled code, and of queries between two checks of the time.
HITS_AT_ONCE = 1 << 18
QUERIES_AT_ONCE = 16
# `Cutoff.completed` is this number times the limit.
COMPLETED = 2


class Limits(NamedTuple):
    """The limits of one search.

    Attributes:
        limit: maximum number of hits.
        min_score: minimum number of terms in common.
        score_pct: hits below floor(best * score_pct / 100) are dropped.
        max_postings: maximum number of postings that may add documents to the answer to a query.
        timeout: maximum seconds for the search.
    """

    limit: int = 40
    min_score: int = 1
    score_pct: int = 10
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
        if self.max_postings is not None and self.max_postings < 1:
            raise ValueError(f"max_postings {self.max_postings} must be at least 1")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout {self.timeout} must be above 0")


def search(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits
) -> list[Hits]:
    """Find the documents that share the most terms with each query.

    Raises:
        TypeError: a query is not a uint32 array.
        ValueError: a query has more than one dimension, or a limit is out of range.
        SearchTimeout: the search exceeded the timeout.
    """
    limits.check()
    deadline = None if limits.timeout is None else time.monotonic() + limits.timeout
    for place, query in enumerate(queries):
        check_terms(query, f"query {place}")
    limit = min(limits.limit, max(1, segments.documents()))
    size = max(1, min(QUERIES_AT_ONCE, HITS_AT_ONCE // limit))
    hits: list[Hits] = []
    for first in range(0, len(queries), size):
        if deadline is not None and time.monotonic() > deadline:
            raise SearchTimeout(f"the search exceeded {limits.timeout} s")
        hits += _search_some(segments, queries[first : first + size], limits, limit)
    return hits


def _search_some(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits, limit: int
) -> list[Hits]:
    """Answer queries whose hits fit into one result array."""
    ids = np.empty(len(queries) * limit, dtype=np.uint32)
    scores = np.empty(ids.size, dtype=np.int32)
    ends = answer(
        segments.table,
        np.concatenate(queries),
        np.array([query.size for query in queries]),
        Cutoff(limit, limits.min_score, limits.score_pct, COMPLETED * limit),
        NO_BUDGET if limits.max_postings is None else limits.max_postings,
        ids,
        scores,
    )
    return [Hits(ids[i:j], scores[i:j]) for i, j in pairwise(ends.tolist())]
