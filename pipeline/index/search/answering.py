"""Answers queries one after the other over all segments, in one call of compiled code.

For each query: find the postings of its terms in every segment, choose the terms that add
documents, gather and count these documents, complete the scores of the best, and rank them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.search import candidates
from pipeline.index.search.counting import Cutoff, count_documents, lowest_score, rank
from pipeline.index.segments.postings import PostingRanges
from pipeline.index.segments.segment_table import base_of, code_of, dead_of, ids_of, layout_of
from pipeline.index.segments.term_codes import locate
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.segment_table import Table

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

NO_BUDGET = -1


@compiled
def answer(
    table: Table,
    terms: Numbers,
    sizes: Places,
    cutoff: Cutoff,
    budget: int,
    ids: Numbers,
    scores: NDArray[np.int32],
) -> Places:
    """Answer some queries.

    Args:
        table: the segments, see `segment_table`.
        terms: terms of one query after the other, in any order, uint32.
        sizes: the number of terms of each query, int64.
        cutoff: the condition for hits.
        budget: maximum number of postings that may add documents, `NO_BUDGET` for all.
        ids: receives the ids of each query's hits, the best first, uint32.
        scores: receives their scores, int32. Both have `cutoff.limit` elements for each query.

    Returns:
        The start of each query's hits, and the end of the last one's.
    """
    ends = np.zeros(sizes.size + 1, dtype=np.int64)
    begin = 0
    end = 0
    for query in range(sizes.size):
        own = candidates.distinct(terms[begin : begin + sizes[query]])
        begin += sizes[query]
        for key in _answer_one(table, own, cutoff, budget):
            ids[end] = np.uint32(key & np.uint64(0xFFFFFFFF))
            scores[end] = np.int32(~np.uint32(key >> np.uint64(32)))
            end += 1
        ends[query + 1] = end
    return ends


@compiled
def _answer_one(table: Table, terms: Numbers, cutoff: Cutoff, budget: int) -> Words:
    """Return ~score << 32 | id of a query's hits, the best first; its terms are sorted."""
    segments = table.shape[0]
    starts = np.empty((segments, terms.size), dtype=np.int64)
    lengths = np.empty((segments, terms.size), dtype=np.int64)
    totals = np.zeros(terms.size, dtype=np.int64)
    for place in range(segments):
        row = table[place]
        locate(terms, layout_of(row), code_of(row), PostingRanges(starts[place], lengths[place]))
        totals += lengths[place]
    adds = np.ones(terms.size, dtype=np.bool_)
    if budget != NO_BUDGET:
        candidates.choose(totals, budget, adds)
    score_only = 0
    total = 0
    for term in range(terms.size):
        score_only += totals[term] > 0 and not adds[term]
        total += totals[term] * adds[term]
    gathered = np.empty(total, dtype=np.uint32)
    end = 0
    for place in range(segments):
        row, found = table[place], PostingRanges(starts[place], lengths[place])
        bits, documents = layout_of(row).document_bits, code_of(row).documents
        candidates.prefetch(adds, found, documents, bits)
        end = candidates.gather(
            adds, found, documents, bits, base_of(row), dead_of(row), gathered, end
        )
    best, scores = count_documents(gathered[:end], terms.size, score_only, cutoff)
    floor = lowest_score(scores.max(), cutoff) if best.size else 0
    keys = np.zeros(best.size, dtype=np.uint64)
    for place in range(segments):
        row, found = table[place], PostingRanges(starts[place], lengths[place])
        base, ids = base_of(row), ids_of(row)
        bits, documents = layout_of(row).document_bits, code_of(row).documents
        if score_only:
            candidates.complete(best, scores, adds, found, documents, bits, base, ids.size, floor)
        candidates.resolve(best, base, ids, keys)
    for i in range(keys.size):
        keys[i] |= np.uint64(~np.uint32(scores[i])) << np.uint64(32)
    return rank(keys, cutoff)
