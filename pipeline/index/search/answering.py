"""Answers queries one after the other over all segments, in one call of compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.search.best_hits import BestHits, Cutoff, floor_of, ranked, reset
from pipeline.index.search.exact_answer import answer_exactly
from pipeline.index.search.locating import distinct, locate_all
from pipeline.index.search.partial_answer import answer_within_budget
from pipeline.index.search.query import (
    BLOCKS,
    LATE,
    NO_BUDGET,
    POSTINGS,
    TERMS,
    Bounds,
    Query,
    terms_of,
)
from pipeline.index.segments.segment_table import base_of, ids_of
from pipeline.loops.clock import is_past
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.segment_table import Table

    Words = NDArray[np.uint64]
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
    hits: Words,
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
        hits: receives ~score << 32 | id of each query's hits, the best first; uint64, with
            `cutoff.limit` elements for each query.
        reports: receives the report of each query, int64, shape (queries, `REPORTED`); zeros
            before.

    Returns:
        The start of each query's hits, and the end of the last one's. If the deadline has passed,
        the `POSTINGS` of a query is `LATE`, and the later queries are not answered.
    """
    ends = np.zeros(sizes.size + 1, dtype=np.int64)
    begin = 0
    end = 0
    for query in range(sizes.size):
        own = distinct(terms[begin : begin + sizes[query]])
        begin += sizes[query]
        reset(best, cutoff)
        reports[query, TERMS] = own.size
        reports[query, BLOCKS] = own.size * table.shape[0]
        if not _answer_one(table, own, cutoff, bounds, best, reports[query]):
            reports[query, POSTINGS] = LATE
            break
        for key in ranked(best, cutoff):
            hits[end] = key
            end += 1
        ends[query + 1] = end
    return ends


@compiled
def _answer_one(
    table: Table, terms: Numbers, cutoff: Cutoff, bounds: Bounds, best: BestHits, report: Places
) -> bool:
    """Offer the hits of a query with distinct, sorted terms; return False at the deadline."""
    if is_past(bounds.deadline):
        return False
    if terms.size < floor_of(best) or not table.shape[0]:
        return True
    located = locate_all(table, terms, bounds.deadline)
    last = table[table.shape[0] - 1]
    documents = base_of(last) + ids_of(last).size
    query = Query(table, documents, located, cutoff, bounds, best, report)
    if not located.in_time or terms_of(query) < floor_of(best):
        return located.in_time
    if bounds.budget == NO_BUDGET:
        return answer_exactly(query)
    return answer_within_budget(query)
