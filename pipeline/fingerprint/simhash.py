"""Simhash: one word for a whole fingerprint; each bit is that of most of its words."""

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.ragged import Ragged, Rows, bounds_of
from pipeline.fingerprint.words import Words

_BYTE_LANES = np.uint32(0x01010101)
_PIECE = 255  # number of words whose bits can be counted in a byte


def simhash(words: Words) -> int:
    """Return the simhash of a fingerprint, unsigned; see `simhash_batch`."""
    return int(simhash_batch([words])[0])


def simhash_batch(batch: Rows) -> Words:
    """Return each fingerprint's simhash: a bit is set if more than n // 2 of the n words have it.

    Args:
        batch: uint32[n] each; without words the result is 0.

    Returns:
        uint32[rows]; `words.signed` converts them for PostgreSQL.
    """
    rows = Ragged.of(batch)
    majority = _count_bits(rows) > rows.lengths[:, np.newaxis] // 2
    return np.packbits(majority, axis=1, bitorder="little").view("<u4").ravel()


def _count_bits(rows: Ragged) -> NDArray[np.int64]:
    """Count the words of each row with each bit set: int64[rows, 32], lowest bit first."""
    counts = np.zeros((len(rows), 4, 8), np.int64)
    pieces = -(-rows.lengths // _PIECE)
    owners = np.repeat(np.arange(len(rows)), pieces)
    if not owners.size:
        return counts.reshape(len(rows), 32)
    ordinals = np.arange(owners.size) - bounds_of(pieces)[owners]
    starts = rows.offsets[owners] + ordinals * _PIECE
    filled = np.flatnonzero(pieces)
    firsts = bounds_of(pieces)[filled]
    for bit in range(8):
        # Four bits of a word at once, one in each byte.
        lanes = rows.values >> np.uint32(bit)
        lanes &= _BYTE_LANES
        sums = np.add.reduceat(lanes, starts, dtype=np.uint32).view(np.uint8).reshape(-1, 4)
        counts[filled, :, bit] = np.add.reduceat(sums, firsts, axis=0, dtype=np.int64)
    return counts.reshape(len(rows), 32)
