"""Numbers of a fixed width, packed into 64-bit words from the lowest bit up.

An array ends with a spare word, so that the eight bytes from the first byte of a field on are
always inside it. The bytes of a word are in little-endian order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.loops.compiled import compiled, inlined
from pipeline.loops.intrinsics import count_ones, word_at

if TYPE_CHECKING:
    from numpy.typing import NDArray


@inlined
def read_field(words: NDArray[np.uint64], bit: int, mask: np.uint64) -> np.uint64:
    """Return the field that begins at a bit.

    Args:
        words: uint64, shape (n,), the field within its first n - 1 words.
        bit: the first bit of the field.
        mask: 2**width - 1, the width at most 32.
    """
    # A field and the bits before it in its first byte take at most 39 bits.
    place = np.uint64(bit)
    return (word_at(words, place >> np.uint64(3)) >> (place & np.uint64(7))) & mask


@compiled
def write_fields(
    values: NDArray[np.uint64],
    shift: np.uint64,
    mask: np.uint64,
    width: int,
    words: NDArray[np.uint64],
    bit: int,
) -> None:
    """Write a part of each value as a field, one after the other.

    Args:
        values: uint64, shape (n,).
        shift: the first bit of the part in a value.
        mask: selects the part after the shift; at most `width` bits.
        width: the width of a field, 1 to 32.
        words: receives the fields; its bits from `bit` on must be 0 before the call.
        bit: the first bit of the first field.
    """
    at = np.uint64(bit) >> np.uint64(6)
    filled = np.uint64(bit) & np.uint64(63)
    step = np.uint64(width)
    word = words[at]
    for value in values:
        field = (value >> shift) & mask
        word |= field << filled
        filled += step
        if filled >= np.uint64(64):
            words[at] = word
            at += np.uint64(1)
            filled -= np.uint64(64)
            word = field >> (step - filled)
    words[at] = word


@inlined
def lowest_one(word: np.uint64) -> int:
    """Return the place of the lowest set bit, 64 if there is none."""
    return count_ones(~word & (word - np.uint64(1)))


@inlined
def place_of_one(word: np.uint64, number: int) -> int:
    """Return the place of a set bit, 63 if there is none.

    Args:
        word: the bits.
        number: the number of set bits below it, 0 to 63.
    """
    place = np.int64(0)
    # No branches: the processor could not predict the half.
    for half in (32, 16, 8, 4, 2, 1):
        below = count_ones(word & ((np.uint64(1) << np.uint64(half)) - np.uint64(1)))
        skipped = np.int64(number >= below)
        number -= skipped * below
        place += skipped * half
        word >>= np.uint64(skipped * half)
    return place
