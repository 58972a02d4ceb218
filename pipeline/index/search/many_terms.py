"""Answers a query of more than 255 terms, one segment at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index.search.best_hits import Cutoff, ranked, reset, room_for
from pipeline.index.search.locating import Located, locate_in
from pipeline.index.search.query import BLOCKS, LATE, POSTINGS, REPORTED, TERMS, Bounds, Query
from pipeline.index.search.range_counting import RANGE, offer_counted
from pipeline.index.segments.postings import PostingRanges
from pipeline.loops.clock import is_past

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.segment_table import Table

MANY_TERMS: Final = 255
"""A query with more terms has larger counters, and all its postings are read.

The answer is exact, also with a limit on postings.
"""


def answer_many_terms(
    table: Table, terms: NDArray[np.uint32], cutoff: Cutoff, bounds: Bounds
) -> tuple[NDArray[np.uint64], list[int]]:
    """Return the keys of a query's hits, and its report; see `answer`.

    Args:
        table: the segments.
        terms: the terms, in any order, uint32.
        cutoff: the condition for hits.
        bounds: the bounds of the work; `max_postings` is `UNLIMITED`.
    """
    # NumPy sorts long arrays several times faster than compiled code.
    terms = np.sort(terms)
    terms = terms[np.concatenate(([True], terms[1:] != terms[:-1]))]
    best = room_for(cutoff.limit)
    reset(best, cutoff)
    report = np.zeros(REPORTED, dtype=np.int64)
    report[TERMS] = terms.size
    report[BLOCKS] = terms.size * len(table)
    starts, lengths = np.empty((2, 1, terms.size), dtype=np.int64)
    # Without terms that are not read, the numbers of postings and of documents are not used.
    sums = np.zeros(terms.size + 1, dtype=np.int64)
    counters = np.zeros(max(RANGE, terms.size), dtype=np.uint32)
    for place in range(len(table)):
        segment = table[place : place + 1]
        in_time = locate_in(
            segment[0], terms, PostingRanges(starts[0], lengths[0]), bounds.deadline
        )
        query = Query(
            segment, 0, Located(starts, lengths, sums, in_time), cutoff, bounds, best, report
        )
        postings = offer_counted(query, terms.size, counters) if in_time else LATE
        if postings == LATE:
            break
        report[POSTINGS] += postings
    found = ranked(best, cutoff)
    if is_past(bounds.deadline):
        report[POSTINGS] = LATE
    return found, report.tolist()
