"""The sketch terms of a fingerprint: a sample of its words, chosen by content instead of place.

A word gives the key of `KEY_BITS` of its bits: the most reliable ones. Sixteen classifiers give two
bits of a word each. The lower one of the two tells quantiser levels apart whose difference is
small, so noise, filters and other speeds change it more often. The lower bits of eight classifiers
are left out.

A key is a sketch term if it is below 2**KEY_BITS / rate after a mixing permutation of all keys. The
choice depends on the key alone, so a fingerprint and an excerpt of it choose the same words,
wherever the excerpt begins. Sketch terms are the permuted keys: numbers without gaps, which an
index stores in fewer bits.

A query may have changed bits. So it has, beside the terms of its words, those of words with one
changed bit ("probes": multi-probe locality-sensitive hashing; Q. Lv, W. Josephson, Z. Wang,
M. Charikar and K. Li, 2007). The bits that differ from the word before or behind are probed: the
value of their classifier is near a threshold.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.ragged import Ragged, Rows
from pipeline.fingerprint.words import SILENCE, Words
from pipeline.loops.compiled import compiled, inlined

KEY_BITS: Final = 24
"""Number of bits of a key."""

MAX_QUERY_TERMS: Final = 1024
"""Maximum number of terms of a query."""

MAX_RATE: Final = 1 << 16
"""The highest sketch rate."""

# The bits of a word that are in its key, from the one that changes most often to the one that
# changes least often: the order in which they are probed. As measured on microphone and telephone
# copies of real recordings.
_PROBED: Final = "6 24 20 8 22 13 17 2 28 5 31 19 1 7 26 15 11 9 23 25 3 21 27 29"
_PROBES: Final = np.array([1 << int(bit) for bit in _PROBED.split()], np.uint32)
# Adjacent bits of a key: a mask of the word, and how far these bits are shifted down.
_PARTS: Final = np.array(
    [
        (0x0000000E, 1),
        (0x000003E0, 2),
        (0x00000800, 3),
        (0x00002000, 4),
        (0x00008000, 5),
        (0x00020000, 6),
        (0x3FF80000, 7),
        (0x80000000, 8),
    ],
    np.uint32,
)
_KEY_MASK: Final = np.uint32((1 << KEY_BITS) - 1)
_HALF: Final = np.uint32(KEY_BITS // 2)
_FACTOR: Final = np.uint32(0x9E3779)  # odd: the multiplication is a permutation


def sketch_terms(words: Words, rate: int) -> Words:
    """Return the sketch terms of a stored fingerprint.

    Args:
        words: uint32[n].
        rate: one word in so many gives a term, from 1 to `MAX_RATE`.

    Returns:
        uint32[at most n], distinct, ascending. Words of silence give none.

    Raises:
        ValueError: the rate is out of range.
    """
    return sketch_terms_batch([words], rate).values


def sketch_terms_batch(batch: Rows, rate: int) -> Ragged:
    """Return the sketch terms of each stored fingerprint of a batch, see `sketch_terms`."""
    limit = _limit(rate)
    rows = Ragged.of(batch)
    terms = np.empty(rows.values.size, np.uint32)
    bounds = np.zeros(len(rows) + 1, np.int64)
    _sample(rows.values, rows.offsets, _PARTS, limit, terms, bounds)
    return Ragged(terms[: bounds[-1]].copy(), bounds)


def sketch_query_batch(batch: Rows, rate: int) -> Ragged:
    """Return the terms by which each fingerprint of a batch is searched: its own, and probes.

    A fingerprint of many words has fewer probes: the bits that change least often are not probed.
    If there are still more than `MAX_QUERY_TERMS`, the lowest terms are returned, which are a
    sample of all.

    Args:
        batch: uint32 rows of any lengths.
        rate: that of the stored terms.

    Returns:
        uint32 rows of at most `MAX_QUERY_TERMS` terms, distinct, ascending.

    Raises:
        ValueError: the rate is out of range.
    """
    limit = _limit(rate)
    rows = Ragged.of(batch)
    return Ragged.of([_query_terms(words, rate, limit) for words in rows])


def _limit(rate: int) -> int:
    """Return the lowest permuted key that is not a term.

    Raises:
        ValueError: the rate is out of range.
    """
    if not 1 <= rate <= MAX_RATE:
        raise ValueError(f"the sketch rate {rate} must be from 1 to {MAX_RATE}")
    return -(-(1 << KEY_BITS) // rate)


def _query_terms(words: Words, rate: int, limit: int) -> Words:
    """Return the terms of one query."""
    # With so many probes of each word the expected number of terms is within the maximum.
    most = min(max(MAX_QUERY_TERMS * rate // max(words.size, 1) - 1, 0), _PROBES.size)
    found = np.empty(words.size * (1 + most), np.uint32)
    size = _probe(words, _PARTS, _PROBES, most, limit, found)
    # NumPy sorts several times faster than compiled code.
    terms = np.sort(found[:size])
    is_first = np.ones(terms.size, bool)
    np.not_equal(terms[1:], terms[:-1], out=is_first[1:])
    return terms[is_first][:MAX_QUERY_TERMS]


@compiled
def _sample(
    values: Words,
    offsets: NDArray[np.int64],
    parts: NDArray[np.uint32],
    limit: int,
    terms: Words,
    bounds: NDArray[np.int64],
) -> None:
    """Sample one fingerprint after the other.

    Args:
        values: all words.
        offsets: the start of each fingerprint, and the end of the last one.
        parts: the bits of keys.
        limit: see `_limit`.
        terms: receives the terms.
        bounds: receives the start of each fingerprint's terms, and the end of the last one's.
    """
    end = 0
    for row in range(offsets.size - 1):
        start = end
        for place in range(offsets[row], offsets[row + 1]):
            term = _term(values[place], parts)
            if values[place] != SILENCE and term < limit:
                terms[end] = term
                end += 1
        terms[start:end].sort()
        kept = start
        for place in range(start, end):
            if kept == start or terms[kept - 1] != terms[place]:
                terms[kept] = terms[place]
                kept += 1
        end = kept
        bounds[row + 1] = end


@compiled
def _probe(
    words: Words,
    parts: NDArray[np.uint32],
    probes: NDArray[np.uint32],
    most: int,
    limit: int,
    terms: Words,
) -> int:
    """Write the terms of words, and of the same with one changed bit; return their number.

    Args:
        words: the words of a query.
        parts: the bits of keys.
        probes: the bits to probe, in this order.
        most: the maximum number of probes of a word.
        limit: see `_limit`.
        terms: receives the terms, with room for 1 + `most` of each word.
    """
    end = 0
    for place in range(words.size):
        word = words[place]
        if word == SILENCE:
            continue
        term = _term(word, parts)
        if term < limit:
            terms[end] = term
            end += 1
        differing = word ^ words[max(place - 1, 0)] | word ^ words[min(place + 1, words.size - 1)]
        left = most
        for probe in probes:
            if not left:
                break
            if not differing & probe:
                continue
            left -= 1
            term = _term(word ^ probe, parts)
            if term < limit:
                terms[end] = term
                end += 1
    return end


@inlined
def _term(word: np.uint32, parts: NDArray[np.uint32]) -> np.uint32:
    """Return the permuted key of a word."""
    key = np.uint32(0)
    for part in range(parts.shape[0]):
        key |= (word & parts[part, 0]) >> parts[part, 1]
    # Both steps are permutations of the numbers below 2**24. The first one lets the upper bits have
    # an effect on the lower ones, the second one the lower bits on the upper ones.
    key ^= key >> _HALF
    return (key * _FACTOR) & _KEY_MASK
