"""Sorts the postings of documents, digit by digit.

The least significant digit comes first (Knuth, The Art of Computer Programming, vol. 3, 5.2.5).
Each pass keeps the order of the previous one. Documents are already in order, so only terms are
sorted, and only by the bits that are not 0 in every term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.segments.postings import TERM_SHIFT
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.index.segments.postings import Keys

# A pass writes to 2**width cache lines, which must fit into the second-level cache.
WIDEST_DIGIT = 11


@compiled
def sort_documents(terms: NDArray[np.uint32], lengths: NDArray[np.int64]) -> Keys:
    """Number documents from 0, and return the postings of all, sorted, each once.

    Args:
        terms: the terms of all documents, document by document; in any order within a document;
            uint32, shape (n,).
        lengths: number of terms of each document, int64; their sum is n.
    """
    keys = np.empty(terms.size, dtype=np.uint64)
    spare = np.empty(terms.size, dtype=np.uint64)
    low, high = _bits_held(terms)
    passes = max(1, -((low - high) // WIDEST_DIGIT))
    width = -((low - high) // passes)
    _pack(terms, lengths, _places(terms, low, width), low, keys)
    for number in range(1, passes):
        digit = low + number * width
        _sort_digit(keys, _places(terms, digit, width), digit, spare)
        keys, spare = spare, keys
    return keys[: _drop_repeated(keys)]


@compiled
def _bits_held(terms: NDArray[np.uint32]) -> tuple[int, int]:
    """Return the lowest bit that any term has, and the highest plus 1."""
    held = np.uint32(0)
    for term in terms:
        held |= term
    low, high = 0, 32
    while low < high and not (held >> np.uint32(low)) & np.uint32(1):
        low += 1
    while high > low and not (held >> np.uint32(high - 1)) & np.uint32(1):
        high -= 1
    return low, high


@compiled
def _places(terms: NDArray[np.uint32], digit: int, width: int) -> NDArray[np.uint32]:
    """Return the first place of each value of a digit: `width` bits from bit `digit` on."""
    mask = np.uint32((1 << width) - 1)
    places = np.zeros(1 << width, dtype=np.uint32)
    for term in terms:
        places[(term >> np.uint32(digit)) & mask] += np.uint32(1)
    before = np.uint32(0)
    for value in range(places.size):
        count = places[value]
        places[value] = before
        before += count
    return places


@compiled
def _pack(
    terms: NDArray[np.uint32],
    lengths: NDArray[np.int64],
    places: NDArray[np.uint32],
    digit: int,
    keys: Keys,
) -> None:
    """Write the postings of all documents to `keys` in the order of a digit."""
    mask = np.uint32(places.size - 1)
    at = 0
    for document in range(lengths.size):
        for term in terms[at : at + lengths[document]]:
            value = (term >> np.uint32(digit)) & mask
            keys[places[value]] = (np.uint64(term) << TERM_SHIFT) | np.uint64(document)
            places[value] += np.uint32(1)
        at += lengths[document]


@compiled
def _sort_digit(keys: Keys, places: NDArray[np.uint32], digit: int, ordered: Keys) -> None:
    """Write `keys` to `ordered` in the order of a digit of their terms."""
    mask = np.uint64(places.size - 1)
    shift = np.uint64(digit) + TERM_SHIFT
    for key in keys:
        value = (key >> shift) & mask
        ordered[places[value]] = key
        places[value] += np.uint32(1)


@compiled
def _drop_repeated(keys: Keys) -> int:
    """Move the distinct ones of sorted keys to the front, and return their number."""
    if not keys.size:
        return 0
    count = 1
    for place in range(1, keys.size):
        if keys[place] != keys[count - 1]:
            keys[count] = keys[place]
            count += 1
    return count
