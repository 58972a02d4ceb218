"""The query terms of a fingerprint: the parts of its words that the index stores and searches."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.public_part import PUBLIC_WORDS
from pipeline.fingerprint.ragged import Ragged, Rows
from pipeline.fingerprint.words import SILENCE, Words
from pipeline.loops.compiled import compiled

MAX_TERMS: Final = 120
"""Maximum number of terms of a fingerprint."""

_START: Final = 80  # words skipped at the start of a long fingerprint
_TERM_MASK: Final = np.uint32(0xFFFFFFF0)
_SLOTS: Final = 512  # size of the table of terms: a power of two, several times `MAX_TERMS`


def extract_query(words: Words) -> Words:
    """Return the query terms of a fingerprint, as `acoustid_extract_query` does.

    A term is a word's upper 28 bits (the lower four are 0). Silence gives none. Only the first
    `PUBLIC_WORDS` words are used, so a recording has the same terms with a longer fingerprint.

    Args:
        words: uint32[n].

    Returns:
        uint32[at most 120], distinct, in the order of first appearance. Empty for a fingerprint of
        silence, which can't be found.
    """
    return extract_query_batch([words]).values


def extract_query_batch(batch: Rows) -> Ragged:
    """Return the query terms of each fingerprint of a batch, row by row."""
    rows = Ragged.of(batch)
    terms = np.empty(MAX_TERMS * len(rows), np.uint32)
    bounds = np.zeros(len(rows) + 1, np.int64)
    _extract(rows.values, rows.offsets, terms, bounds)
    return Ragged(terms[: bounds[-1]], bounds)


@compiled
def _extract(
    values: Words, offsets: NDArray[np.int64], terms: Words, bounds: NDArray[np.int64]
) -> None:
    """Extract the terms of one fingerprint after the other.

    Args:
        values: all words.
        offsets: the start of each fingerprint, and the end of the last one.
        terms: receives the terms.
        bounds: receives the start of each fingerprint's terms, and the end of the last one's.
    """
    # The number of the fingerprint with a term, plus 1, and the term.
    seen = np.zeros(_SLOTS, np.uint64)
    end = 0
    for row in range(offsets.size - 1):
        words = values[offsets[row] : min(offsets[row + 1], offsets[row] + PUBLIC_WORDS)]
        clean = 0
        for word in words:
            clean += word != SILENCE
        # Words of silence do not count in the number of words to skip, but the skipped words may
        # include silence. Queries must follow this rule because the public index does.
        place = max(0, min(clean - MAX_TERMS, _START))
        most = end + MAX_TERMS
        while place < words.size and end < most:
            word = words[place]
            place += 1
            if word == SILENCE:
                continue
            term = word & _TERM_MASK
            if _is_new(np.uint64(row + 1) << np.uint64(32) | np.uint64(term), seen):
                terms[end] = term
                end += 1
        bounds[row + 1] = end


@compiled
def _is_new(key: np.uint64, seen: NDArray[np.uint64]) -> bool:
    """Store a term of a fingerprint; return whether it is new in that fingerprint."""
    owner = key >> np.uint64(32)
    slot = (key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(55)
    while seen[slot] >> np.uint64(32) == owner:
        if seen[slot] == key:
            return False
        slot = (slot + np.uint64(1)) & np.uint64(_SLOTS - 1)
    seen[slot] = key
    return True
