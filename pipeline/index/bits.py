"""Numbers of a fixed width, packed into 64-bit words from the lowest bit up.

An array of words ends with a spare one, so that a field may always be read from two words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORD_BITS = 64


def words_for(bits: int) -> int:
    """Return how many words hold `bits` bits and the spare word."""
    return -(-bits // WORD_BITS) + 1


@compiled
def read_field(words: NDArray[np.uint64], bit: int, mask: np.uint64) -> np.uint64:
    """Return the field that begins at a bit.

    Args:
        words: uint64, shape (n,), the field within its first n - 1 words.
        bit: where the field begins.
        mask: 2**width - 1, the width at most 32.
    """
    word = bit >> 6
    shift = np.uint64(bit & 63)
    # Two shifts for the upper part: one by 64 is undefined, and happens where `shift` is 0.
    upper = (words[word + 1] << np.uint64(1)) << (np.uint64(63) - shift)
    return ((words[word] >> shift) | upper) & mask


@compiled
def or_field(words: NDArray[np.uint64], bit: int, value: np.uint64) -> None:
    """Set the bits of `value`, of at most 32 bits, from a bit on."""
    word = bit >> 6
    shift = np.uint64(bit & 63)
    words[word] |= value << shift
    words[word + 1] |= (value >> np.uint64(1)) >> (np.uint64(63) - shift)


@compiled
def count_ones(word: np.uint64) -> int:
    """Return how many bits of a word are set; one instruction where the processor has it."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def lowest_one(word: np.uint64) -> int:
    """Return the place of the lowest set bit, 64 if there is none."""
    return count_ones(~word & (word - np.uint64(1)))
