"""The 32-bit words of a fingerprint: unsigned in Python, signed in SQL."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Words: TypeAlias = NDArray[np.uint32]

SILENCE = 627964279
"""The word that Chromaprint writes for digital silence (0x256DF977)."""


def as_words(values: Sequence[int] | NDArray[np.integer]) -> Words:
    """Return signed or unsigned 32-bit numbers as words.

    Args:
        values: one-dimensional; each in [-2**31, 2**32). uint32 and int32 arrays are not copied.

    Raises:
        ValueError: another shape, or a number of more than 32 bits.
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"a fingerprint is one row of words, not an array of shape {array.shape}")
    if array.dtype in (np.uint32, np.int32):
        return array.view(np.uint32)
    if array.size == 0:
        return np.empty(0, np.uint32)
    if array.dtype.kind not in "iu" or array.min() < -(2**31) or array.max() >= 2**32:
        raise ValueError("a word must be a whole number in [-2**31, 2**32)")
    return array.astype(np.uint32)


def signed(words: Words) -> NDArray[np.int32]:
    """Return the words as signed numbers for PostgreSQL's int4: the same bits, not copied."""
    return words.view(np.int32)
