"""Loops of a search: count the documents that were found, and rank the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.loops.compiled import compiled, inlined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int64]

_LOAD = 2  # slots of the counting table for each posting, so that few of them collide
_FILTER_LOAD = 8  # bits of the filter for each posting; a larger one would not fit into the cache


class Cutoff(NamedTuple):
    """The condition for hits, and the number of candidates to complete.

    Attributes:
        limit: maximum number of hits of a query.
        min_score: the minimum score of a hit.
        score_pct: minimum score of a hit in percent of the best score.
        completed: maximum number of candidates. Terms that add no documents raise the scores of
            candidates only. If more documents have the best count, all of these are candidates.
    """

    limit: int
    min_score: int
    score_pct: int
    completed: int


@compiled
def lowest_score(best: int, cutoff: Cutoff) -> int:
    """Return the lowest score of a hit if the best score is `best`."""
    return max(cutoff.min_score, best * cutoff.score_pct // 100)


@compiled
def _table_size(documents: int, load: int) -> int:
    """Return the size of a table for this many documents: a power of two."""
    size = 64
    while size < load * documents:
        size *= 2
    return size


@compiled
def _slot(document: np.uint64, mask: np.uint64) -> np.uint64:
    """Return the place of a document in a table of mask + 1 slots."""
    return ((document * np.uint64(0x9E3779B1)) >> np.uint64(7)) & mask


@inlined
def _place(document: np.uint32, bits: Words) -> np.uint64:
    """Return the place of a document among a power of two of bits: the low bits of its number."""
    return np.uint64(document) & np.uint64(bits.size * 64 - 1)


@inlined
def _bit(bits: Words, place: np.uint64) -> np.uint64:
    """Return a bit, 0 or 1."""
    return (bits[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1)


@compiled
def _filter_repeated(found: Numbers, once: Words, again: Words, kept: Numbers) -> int:
    """Keep the documents that were found more than once, and some others with the same filter bits.

    Args:
        found: documents of one query, any order.
        once: a filter of 0 bits, their number a power of two; receives the bit of each document.
        again: a second such filter; receives the bits that were already set in `once`.
        kept: receives the documents whose bit in `again` is set; as long as `found` or longer.

    Returns:
        The number of documents in `kept`.
    """
    for document in found:
        place = _place(document, once)
        word, bit = place >> np.uint64(6), np.uint64(1) << (place & np.uint64(63))
        again[word] |= once[word] & bit
        once[word] |= bit
    count = np.uint64(0)
    for document in found:
        kept[count] = document
        count += _bit(again, _place(document, again))
    return np.int64(count)


@compiled
def _count(found: Numbers, table: Words, counts: Places, repeated: Places) -> int:
    """Count each document of one query in a hash table.

    Args:
        found: documents, any order.
        table: zeros, a power of two of them, more than there are documents; receives
            document << 32 | count.
        counts: the number of documents that were counted 0, 1, 2... times; updated.
        repeated: receives the slots of documents that were counted more than once.

    Returns:
        The number of documents that were counted more than once.
    """
    mask = np.uint64(table.size - 1)
    top = counts.size - 1
    once = 0
    more = 0
    for i in range(found.size):
        document = np.uint64(found[i])
        slot = _slot(document, mask)
        while table[slot] and (table[slot] >> np.uint64(32)) != document:
            slot = (slot + np.uint64(1)) & mask
        # Most documents are counted once; they need no further step.
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
def _cut(counts: Places, best: int, cutoff: Cutoff, score_only: int) -> int:
    """Return the lowest count of a document that may be among the hits.

    If no term only raises scores, the counts are the scores. All documents with the lowest count
    are then candidates, and `rank` compares their ids. Otherwise any document may get a higher
    score, so `cutoff.completed` limits the number of candidates.
    """
    if not score_only:
        floor = lowest_score(best, cutoff)
        rest = cutoff.limit
        while best > floor and rest > counts[best]:
            rest -= counts[best]
            best -= 1
        return max(best, floor)
    floor = lowest_score(best, cutoff) - score_only
    rest = cutoff.completed - counts[best]
    while best > max(floor, 1) and rest >= counts[best - 1]:
        best -= 1
        rest -= counts[best]
    return best


@compiled
def count_documents(
    found: Numbers, terms: int, score_only: int, cutoff: Cutoff
) -> tuple[Numbers, NDArray[np.int32]]:
    """Count the documents that a query found, and return those that may be among its best.

    Args:
        found: the documents from `gather`, uint32.
        terms: the number of terms of the query.
        score_only: the number of terms that add no documents.
        cutoff: the condition for hits.

    Returns:
        The documents and their counts, int32, in any order.
    """
    words = _table_size(found.size, _FILTER_LOAD) >> 6
    once, again = np.zeros(words, dtype=np.uint64), np.zeros(words, dtype=np.uint64)
    candidates = np.empty(found.size + 1, dtype=np.uint32)
    candidates = candidates[: _filter_repeated(found, once, again, candidates)]
    table = np.zeros(_table_size(candidates.size, _LOAD), dtype=np.uint64)
    repeated = np.empty(candidates.size, dtype=np.int64)
    counts = np.zeros(terms + 2, dtype=np.int64)
    counts[1] = found.size - candidates.size
    more = _count(candidates, table, counts, repeated)
    best = counts.size - 1
    while best > 0 and not counts[best]:
        best -= 1
    cut = max(_cut(counts, best, cutoff, score_only), 1)
    total = counts[cut:].sum()
    documents = np.empty(total, dtype=np.uint32)
    scores = np.empty(total, dtype=np.int32)
    total = 0
    # The whole table is needed only for documents that were counted once.
    for i in range(more if cut > 1 else table.size):
        entry = table[repeated[i]] if cut > 1 else table[i]
        count = np.int64(entry & np.uint64(0xFFFFFFFF))
        if count >= cut:
            documents[total] = np.uint32(entry >> np.uint64(32))
            scores[total] = count
            total += 1
    if cut == 1:
        for document in found:
            if not _bit(again, _place(document, again)):
                documents[total] = document
                scores[total] = 1
                total += 1
    return documents, scores


@compiled
def rank(keys: Words, cutoff: Cutoff) -> Words:
    """Return the keys of a query's hits, the best first.

    Args:
        keys: ~score << 32 | id of each candidate, uint64.
        cutoff: the condition for hits.
    """
    ranked = np.sort(keys)
    count = 0
    floor = 0
    while count < min(ranked.size, cutoff.limit):
        score = np.int64(np.uint32(~(ranked[count] >> np.uint64(32))))
        if count == 0:
            floor = lowest_score(score, cutoff)
        if score < floor:
            break
        count += 1
    return ranked[:count]
