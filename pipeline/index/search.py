"""Searches the segments of an index for many queries at once.

Every document is found in the segment of its newest version alone, so the documents of all
segments can be counted together.
"""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.answering import NO_BUDGET, answer
from pipeline.index.changes import check_terms
from pipeline.index.errors import SearchTimeout
from pipeline.index.interface import Hits
from pipeline.index.tally import Cutoff

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.index.limits import Limits
    from pipeline.index.segment_set import SegmentSet

# Hits that there is room for at a time, and queries between two looks at the clock.
HITS_AT_ONCE = 1 << 18
QUERIES_AT_ONCE = 16
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
    limit = min(limits.limit, max(1, segments.documents()))
    size = max(1, min(QUERIES_AT_ONCE, HITS_AT_ONCE // limit))
    hits: list[Hits] = []
    for first in range(0, len(queries), size):
        if deadline is not None and time.monotonic() > deadline:
            raise SearchTimeout(f"the search was not done in {limits.timeout} s")
        hits += _search_some(segments, queries[first : first + size], limits, limit)
    return hits


def _search_some(
    segments: SegmentSet, queries: Sequence[NDArray[np.uint32]], limits: Limits, limit: int
) -> list[Hits]:
    """Answer queries of which all hits find room."""
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
