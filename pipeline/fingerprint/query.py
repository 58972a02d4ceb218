"""Which of a fingerprint's words the index is asked for, and gets."""

from itertools import islice

import numpy as np

from pipeline.fingerprint.ragged import Ragged, Rows, sum_rows
from pipeline.fingerprint.words import SILENCE, Words

MAX_TERMS = 120
"""The most terms taken from one fingerprint."""

_START = 80  # words skipped at the front of a fingerprint long enough for it
_TERM_MASK = np.uint32(0xFFFFFFF0)
_FIRST_LOOK = 160  # words that nearly always hold all terms


def extract_query(words: Words) -> Words:
    """Return the query terms of a fingerprint, as `acoustid_extract_query` does.

    A term is a word's upper 28 bits (the lower four are 0). Silence gives none.

    Args:
        words: uint32[n].

    Returns:
        uint32[at most 120], different from each other, in the order of first appearance. Empty
        for silence alone: such a fingerprint can't be found.
    """
    return _terms(words, int(np.count_nonzero(words != SILENCE)))


def extract_query_batch(batch: Rows) -> Ragged:
    """Return the query terms of each fingerprint of a batch, row by row."""
    rows = Ragged.of(batch)
    clean = sum_rows(rows.values != SILENCE, rows.offsets).tolist()
    return Ragged.of([_terms(words, count) for words, count in zip(rows, clean, strict=True)])


def _terms(words: Words, clean: int) -> Words:
    # The count is that of the words without silence, the index that among all words: so the
    # public index was filled, and so it must be asked.
    start = max(0, min(clean - MAX_TERMS, _START))
    terms: dict[int, None] = {}
    size = _FIRST_LOOK
    while start < len(words) and len(terms) < MAX_TERMS:
        piece = words[start : start + size]
        terms.update(dict.fromkeys((piece[piece != SILENCE] & _TERM_MASK).tolist()))
        start += size
        size *= 2
    return np.fromiter(islice(terms, MAX_TERMS), np.uint32)
