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
_SIEVE_LOAD = 8  # bits of the sieve for each posting; with more it would not fit into the cache


class Cutoff(NamedTuple):
    """Which candidates are worth returning.

    Attributes:
        limit: most hits of a query.
        min_score: the lowest score of a hit.
        score_pct: percentage of the best score below which another is no hit.
        completed: most candidates whose scores are completed by the terms that brought in no
            documents; more if more share the best count.
    """

    limit: int
    min_score: int
    score_pct: int
    completed: int


@compiled
def lowest_score(best: int, cutoff: Cutoff) -> int:
    """Return the lowest score of a hit where the best one is `best`."""
    return max(cutoff.min_score, best * cutoff.score_pct // 100)


@compiled
def _room(documents: int, load: int) -> int:
    """Return the size of a table for so many documents: a power of two."""
    room = 64
    while room < load * documents:
        room *= 2
    return room


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
def _sift(found: Numbers, once: Words, again: Words, sifted: Numbers) -> int:
    """Leave out documents that were found once: those whose place no other document has.

    Args:
        found: documents of one query, any order.
        once: a bit for each place, a power of two of them, all 0; set where a document was found.
        again: the same; set where more than one was found.
        sifted: receives the documents whose bit in `again` is set; as long as `found` or longer.

    Returns:
        The number of documents in `sifted`.
    """
    for document in found:
        place = _place(document, once)
        word, bit = place >> np.uint64(6), np.uint64(1) << (place & np.uint64(63))
        again[word] |= once[word] & bit
        once[word] |= bit
    count = np.uint64(0)
    for document in found:
        sifted[count] = document
        count += _bit(again, _place(document, again))
    return np.int64(count)


@compiled
def _count(found: Numbers, table: Words, counts: Places, repeated: Places) -> int:
    """Count each document of one query in a hash table.

    Args:
        found: documents, any order.
        table: zeros, a power of two of them, more than there are documents; receives
            document << 32 | count.
        counts: how many documents were counted 0, 1, 2... times; raised.
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
        slot = _slot(document, mask)
        while table[slot] and (table[slot] >> np.uint64(32)) != document:
            slot = (slot + np.uint64(1)) & mask
        # Most documents are counted once: for those nothing else is done.
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

    Without terms that were kept back, all documents with the lowest count are returned: their ids
    decide. With such terms every document could rise, so the number of candidates is bounded.
    """
    if not kept_back:
        floor = lowest_score(best, cutoff)
        rest = cutoff.limit
        while best > floor and rest > counts[best]:
            rest -= counts[best]
            best -= 1
        return max(best, floor)
    floor = lowest_score(best, cutoff) - kept_back
    rest = cutoff.completed - counts[best]
    while best > max(floor, 1) and rest >= counts[best - 1]:
        best -= 1
        rest -= counts[best]
    return best


@compiled
def tally(
    found: Numbers, terms: int, kept_back: int, cutoff: Cutoff
) -> tuple[Numbers, NDArray[np.int32]]:
    """Count the documents that a query found, and return those that may be among its best.

    Args:
        found: what `gather` found, uint32.
        terms: how many terms the query has.
        kept_back: how many of them brought in no documents.
        cutoff: which counts are worth returning.

    Returns:
        The documents and their counts, int32, in no order.
    """
    words = _room(found.size, _SIEVE_LOAD) >> 6
    once, again = np.zeros(words, dtype=np.uint64), np.zeros(words, dtype=np.uint64)
    doubtful = np.empty(found.size + 1, dtype=np.uint32)
    doubtful = doubtful[: _sift(found, once, again, doubtful)]
    table = np.zeros(_room(doubtful.size, _LOAD), dtype=np.uint64)
    repeated = np.empty(doubtful.size, dtype=np.int64)
    counts = np.zeros(terms + 2, dtype=np.int64)
    counts[1] = found.size - doubtful.size
    more = _count(doubtful, table, counts, repeated)
    best = counts.size - 1
    while best > 0 and not counts[best]:
        best -= 1
    cut = max(_cut(counts, best, cutoff, kept_back), 1)
    total = counts[cut:].sum()
    documents = np.empty(total, dtype=np.uint32)
    scores = np.empty(total, dtype=np.int32)
    total = 0
    # The table is only searched for documents that were counted once.
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
        cutoff: which of them are hits.
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
