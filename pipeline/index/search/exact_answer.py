"""The exact answer to a query, with few postings read.

A document that can be a hit reaches a score, the floor: the minimum score, a share of the best
score, or the score of the last hit within the limit. So if the postings of all terms but k are
read, a hit is found at least f - k times, where f is the floor. Only such documents are looked up
in the postings that were not read, those of the most frequent terms (MaxScore: H. Turtle, J. Flood,
1995).

1. Read the postings of the rarest terms, and count the documents. The best one raises the floor.
2. With this floor choose how many terms to read, so that the expected cost is lowest.
3. Read these terms, and complete the scores of the documents that can be hits. If this takes
   longer than reading the other terms, read all terms.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.index.search.best_hits import clear, floor_of, lowest_score, raise_floor
from pipeline.index.search.completing import completed_score, lists_from, offer_completed
from pipeline.index.search.gathering import gather
from pipeline.index.search.hash_counting import (
    Counts,
    best_count,
    count_gathered,
    count_reached,
    with_count,
)
from pipeline.index.search.keys import document_of
from pipeline.index.search.query import LATE, POSTINGS, Query, terms_of
from pipeline.index.search.range_counting import RANGE, TOO_MANY, offer_counted
from pipeline.index.search.term_choice import PROBE_COST, choose_terms, terms_within
from pipeline.loops.compiled import compiled

FIRST_POSTINGS: Final = 1024
"""Maximum number of postings of the first step."""
DOCUMENTS_PER_POSTING: Final = 512
"""With more documents for each posting of the query, all postings are read in the first step."""


@compiled
def answer_exactly(query: Query) -> bool:
    """Offer the hits of a query; return False at the deadline."""
    sums = query.located.sums
    terms = terms_of(query)
    most = max(FIRST_POSTINGS, query.documents // DOCUMENTS_PER_POSTING)
    read = terms if sums[terms] <= most else terms_within(sums, FIRST_POSTINGS)
    cost = np.inf
    if sums[read] <= most:
        gathered = np.empty(sums[read], dtype=np.uint32)
        end = gather(query, np.int64(0), read, gathered, np.int64(0))
        if end == LATE:
            return False
        query.report[POSTINGS] = end
        counts = count_gathered(gathered[:end], np.int64(read), query.bounds.deadline)
        if not counts.in_time:
            return False
        _raise_floor(query, counts, read)
        cost = _completion_cost(counts, terms - read, floor_of(query.best))
    else:
        read = 0
        counts = count_gathered(np.empty(0, dtype=np.uint32), np.int64(read), query.bounds.deadline)
    wanted = choose_terms(sums, read, floor_of(query.best), query.documents, cost)
    if wanted == read:
        keys = with_count(counts, max(floor_of(query.best) - (terms - read), 1))
        return offer_completed(query, read, keys, keys.size) != LATE
    counters = np.zeros(RANGE, dtype=np.uint8)
    postings = offer_counted(query, wanted, counters)
    if postings == TOO_MANY:
        clear(query.best)
        postings = offer_counted(query, terms, counters)
    query.report[POSTINGS] += postings
    return postings != LATE


@compiled
def _raise_floor(query: Query, counts: Counts, read: int) -> None:
    """Raise the floor by the counts, and by the score of a document that was found most often."""
    best, cutoff = query.best, query.cutoff
    raise_floor(best, count_reached(counts.histogram, cutoff.limit))
    count = best_count(counts.histogram)
    if count:
        document = document_of(with_count(counts, count)[0])
        lists = lists_from(query.located, read)
        score = completed_score(query.table, lists, document, count, np.int64(0))
        raise_floor(best, lowest_score(score, cutoff))


@compiled
def _completion_cost(counts: Counts, left: int, floor: int) -> float:
    """Return the cost of completing the scores of all documents that can be hits.

    It is infinite if other documents can be hits too.
    """
    if not left:
        return 0.0
    if left >= floor:
        return np.inf
    return float(counts.histogram[floor - left :].sum() * left * PROBE_COST)
