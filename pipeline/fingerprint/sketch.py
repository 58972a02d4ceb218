"""The sketch terms of a fingerprint: terms that are chosen by their content, not by their place."""

from typing import Final

import numpy as np

from pipeline.fingerprint.ragged import Ragged, Rows
from pipeline.fingerprint.words import SILENCE, Words

_TERM_MASK: Final = np.uint32(0xFFFFFFF0)
_FACTOR: Final = np.uint32(0x9E3779B1)


def sketch_terms(words: Words, rate: int) -> Words:
    """Return the sketch terms of a stored fingerprint, uint32, distinct."""
    terms = np.unique(words[words != SILENCE] & _TERM_MASK)
    return terms[((terms * _FACTOR) >> np.uint32(16)) % np.uint32(rate) == 0]


def sketch_terms_batch(batch: Rows, rate: int) -> Ragged:
    """Return the sketch terms of each stored fingerprint of a batch, row by row."""
    return Ragged.of([sketch_terms(words, rate) for words in Ragged.of(batch)])


def sketch_query_batch(batch: Rows, rate: int) -> Ragged:
    """Return the terms that are searched for each query of a batch, row by row."""
    return sketch_terms_batch(batch, rate)
