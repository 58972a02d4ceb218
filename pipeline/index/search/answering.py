"""Answers queries one after the other over all segments, in one call of compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.search.best_hits import BestHits, Cutoff, floor_of, ranked, reset
from pipeline.index.search.exact_answer import answer_exactly
from pipeline.index.search.limited_answer import answer_limited
from pipeline.index.search.locating import distinct, locate_all
from pipeline.index.search.query import (
    BLOCKS,
    LATE,
    POSTINGS,
    TERMS,
    UNLIMITED,
    Bounds,
    Query,
    terms_of,
)
from pipeline.index.segments.segment_table import ids_of
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.segment_table import Table

    Keys = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]


@compiled
def answer(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    table: Table,
    terms: Numbers,
    sizes: Places,
    cutoff: Cutoff,
    bounds: Bounds,
    best: BestHits,
    hits: Keys,
    reports: Places,
) -> Places:
    """Answer some queries.

    Args:
        table: the segments, see `segment_table`.
        terms: terms of one query after the other, in any order, uint32.
        sizes: the number of terms of each query, int64.
        cutoff: the condition for hits.
        bounds: the bounds of the work for each query.
        best: a buffer for one query.
        hits: receives the keys of each query's hits, the best first; uint64, with `cutoff.limit`
            elements for each query.
        reports: receives the report of each query, int64, shape (queries, `REPORTED`); zeros
            before.

    Returns:
        The start of each query's hits, and the end of the last one's. If the deadline has passed,
        the `POSTINGS` of a query is `LATE`, and the later queries are not answered.
    """
    ends = np.zeros(sizes.size + 1, dtype=np.int64)
    begin = 0
    end = 0
    for place in range(sizes.size):
        own = distinct(terms[begin : begin + sizes[place]])
        begin += sizes[place]
        query = _prepare(table, own, cutoff, bounds, best, reports[place])
        is_late = not query.located.in_time
        if not is_late and terms_of(query) >= floor_of(best):
            is_exact = bounds.max_postings == UNLIMITED
            is_late = not (answer_exactly(query) if is_exact else answer_limited(query))
        found = ranked(best, cutoff)
        if is_late or is_past(bounds.deadline):
            reports[place, POSTINGS] = LATE
            break
        for key in found:
            hits[end] = key
            end += 1
        ends[place + 1] = end
    return ends


@compiled
def _prepare(
    table: Table, terms: Numbers, cutoff: Cutoff, bounds: Bounds, best: BestHits, report: Places
) -> Query:
    """Return the query with some distinct, sorted terms; they are located unless it is late."""
    reset(best, cutoff)
    report[TERMS] = terms.size
    report[BLOCKS] = terms.size * table.shape[0]
    documents = 0
    for row in table:
        documents += ids_of(row).size
    located = locate_all(table, terms, bounds.deadline)
    return Query(table, documents, located, cutoff, bounds, best, report)
