"""Loops of a search: count the documents that were found, and rank the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.index.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

_LOAD = 2  # slots of the counting table for each posting, so that few of them collide


class Cutoff(NamedTuple):
    """Which candidates are worth returning.

    Attributes:
        limit: most hits of a query.
        min_score: the lowest score of a hit.
        score_pct: percentage of the best score below which another is no hit.
        completed: most candidates whose score is completed by terms that brought in none, unless
            more than that share the best count.
    """

    limit: int
    min_score: int
    score_pct: int
    completed: int


@compiled
def _count(found: Numbers, table: Words, counts: Places, repeated: Places) -> int:
    """Count each document of one query in a hash table.

    Args:
        found: documents, any order.
        table: zeros, a power of two of them, more than there are documents; receives
            document << 32 | count.
        counts: zeros; receives how many documents were counted 0, 1, 2... times.
        repeated: receives the slots of documents that were counted more than once.

    Returns:
        How many documents were counted more than once.
    """
    mask = np.uint64(table.size - 1)
    top = counts.size - 1
    once = 0
    more = 0
    for i in range(found.size):
        document = np.uint64(found[i])
        slot = ((document * np.uint64(0x9E3779B1)) >> np.uint64(7)) & mask
        while table[slot] and (table[slot] >> np.uint64(32)) != document:
            slot = (slot + np.uint64(1)) & mask
        # Most documents are counted once: what else there is to do is left out for those.
        if not table[slot]:
            table[slot] = (document << np.uint64(32)) | np.uint64(1)
            once += 1
            continue
        count = min(np.int64(table[slot] & np.uint64(0xFFFFFFFF)), top - 1)
        table[slot] += np.uint64(1)
        if count == 1:
            repeated[more] = np.int64(slot)
            more += 1
        counts[count] -= 1
        counts[count + 1] += 1
    counts[1] += once
    return more


@compiled
def _cut(counts: Places, best: int, cutoff: Cutoff, kept_back: int) -> int:
    """Return the lowest count of a document that may be among the hits.

    Without terms that were kept back, those that share the lowest count are all returned: their
    ids decide. With them every document could rise, so the number that is completed is bounded.
    """
    if not kept_back:
        floor = max(cutoff.min_score, best * cutoff.score_pct // 100)
        rest = cutoff.limit
        while best > floor and rest > counts[best]:
            rest -= counts[best]
            best -= 1
        return max(best, floor)
    floor = max(cutoff.min_score, best * cutoff.score_pct // 100) - kept_back
    rest = cutoff.completed - counts[best]
    while best > max(floor, 1) and rest >= counts[best - 1]:
        best -= 1
        rest -= counts[best]
    return best


@compiled
def tally(  # noqa: PLR0913, PLR0917 - compiled loops take plain arrays
    found: Numbers,
    begins: Places,
    ends: Places,
    terms: Places,
    kept_back: Places,
    cutoff: Cutoff,
    owners: Numbers,
    documents: Numbers,
    scores: NDArray[np.int32],
) -> int:
    """Count the documents that each query found, and return those that may be among its best.

    Args:
        found: what `gather` found, uint32.
        begins: where the documents of each query begin, int64.
        ends: where they end.
        terms: how many terms each query has, int64.
        kept_back: how many of them brought in no documents, int64.
        cutoff: which counts are worth returning.
        owners: receives the number of the query, uint32.
        documents: receives the document.
        scores: receives its count. These three have room for as many as were found.

    Returns:
        How many were returned.
    """
    most = 1
    for query in range(begins.size):
        most = max(most, ends[query] - begins[query])
    room = 64
    while room < _LOAD * most:
        room *= 2
    slots = np.empty(room, dtype=np.uint64)
    repeated = np.empty(most, dtype=np.int64)
    total = 0
    for query in range(begins.size):
        size = 64
        while size < _LOAD * (ends[query] - begins[query]):
            size *= 2
        table = slots[:size]
        table[:] = np.uint64(0)
        counts = np.zeros(terms[query] + 2, dtype=np.int64)
        more = _count(found[begins[query] : ends[query]], table, counts, repeated)
        best = counts.size - 1
        while best > 0 and not counts[best]:
            best -= 1
        cut = _cut(counts, best, cutoff, kept_back[query])
        if best < max(cut, 1):
            continue
        # The table is only searched for documents that were counted once.
        for i in range(more if cut > 1 else size):
            entry = table[repeated[i]] if cut > 1 else table[i]
            count = np.int64(entry & np.uint64(0xFFFFFFFF))
            if count >= max(cut, 1):
                owners[total] = query
                documents[total] = np.uint32(entry >> np.uint64(32))
                scores[total] = count
                total += 1
    return total


@compiled
def rank(keys: Words, owners: Numbers, cutoff: Cutoff, bounds: Places) -> int:
    """Sort the candidates of each query and drop those that are no hits, in place.

    Args:
        keys: ~score << 32 | id, uint64, a query's beside each other; hits move to the front.
        owners: the query of each, ascending.
        cutoff: which of them are hits.
        bounds: int64, shape (queries + 1,); receives where the hits of each query are.

    Returns:
        How many hits there are.
    """
    begin = 0
    kept = 0
    for query in range(bounds.size - 1):
        end = begin
        while end < owners.size and owners[end] == query:
            end += 1
        own = np.sort(keys[begin:end])
        begin = end
        bounds[query] = kept
        for i in range(min(own.size, cutoff.limit)):
            score = np.int64(np.uint32(~(own[i] >> np.uint64(32))))
            if i == 0:
                floor = max(cutoff.min_score, score * cutoff.score_pct // 100)
            if score < floor:
                break
            keys[kept] = own[i]
            kept += 1
    bounds[bounds.size - 1] = kept
    return kept
