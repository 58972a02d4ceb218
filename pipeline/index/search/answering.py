"""Answers queries one after the other over all segments, in one call of compiled code.

For each query: find the postings of its terms in every segment, choose the terms that bring in
documents, gather and count these documents, complete the scores of the best, and rank them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.search import candidates
from pipeline.index.search.tally import Cutoff, lowest_score, rank, tally
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
        sizes: how many each query has, int64.
        cutoff: which documents are hits.
        budget: most postings that may bring in documents, `NO_BUDGET` for all.
        ids: receives the ids of each query's hits, the best first, uint32.
        scores: receives their scores, int32. Both have room for `cutoff.limit` hits of each query.

    Returns:
        Where each query's hits begin, and where the last one's end.
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
    brings = np.ones(terms.size, dtype=np.bool_)
    if budget != NO_BUDGET:
        candidates.choose(totals, budget, brings)
    kept_back = 0
    brought = 0
    for term in range(terms.size):
        kept_back += totals[term] > 0 and not brings[term]
        brought += totals[term] * brings[term]
    gathered = np.empty(brought, dtype=np.uint32)
    end = 0
    for place in range(segments):
        row, found = table[place], PostingRanges(starts[place], lengths[place])
        bits, documents = layout_of(row).document_bits, code_of(row).documents
        candidates.touch(brings, found, documents, bits)
        end = candidates.gather(
            brings, found, documents, bits, base_of(row), dead_of(row), gathered, end
        )
    best, scores = tally(gathered[:end], terms.size, kept_back, cutoff)
    floor = lowest_score(scores.max(), cutoff) if best.size else 0
    keys = np.zeros(best.size, dtype=np.uint64)
    for place in range(segments):
        row, found = table[place], PostingRanges(starts[place], lengths[place])
        base, ids = base_of(row), ids_of(row)
        bits, documents = layout_of(row).document_bits, code_of(row).documents
        if kept_back:
            candidates.complete(best, scores, brings, found, documents, bits, base, ids.size, floor)
        candidates.resolve(best, base, ids, keys)
    for i in range(keys.size):
        keys[i] |= np.uint64(~np.uint32(scores[i])) << np.uint64(32)
    return rank(keys, cutoff)
