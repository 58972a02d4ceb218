"""Counting bits in compiled loops."""

import numpy as np

from pipeline.loops.compiled import compiled


@compiled
def count_ones(word: np.uint64) -> int:
    """Return how many bits of a word are set; one instruction where the processor has it."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56))
