"""Aligns excerpts with recordings, and tells how likely unrelated music agrees so well."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.excerpts.alignment_loops import PIECE, FlatRows, Found, align_pairs
from pipeline.fingerprint.ragged import Ragged, Rows

WORD_SECONDS: Final = 1365 / 11025
"""Seconds between two words: Chromaprint moves its frame by a third of 4096 samples at 11025 Hz,
rounded down. In an hour the rounding adds up to 0.9 s."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignments:
    """Where queries match documents, one element a pair.

    Attributes:
        offset: float64[n], the place in the document at which the query's first word lies, in
            seconds of the document; negative if the query begins before it.
        duration: float64[n], seconds of the query that are aligned; 0 without any match.
        matched: float32[n], share of agreeing bits in them.
        speed: float32[n], how many times as fast as the document the query plays.
        log10_chance: float64[n], the decimal logarithm of the probability that unrelated music
            agrees so well at any place of this pair; at most 0. See `significance`.
    """

    offset: NDArray[np.float64]
    duration: NDArray[np.float64]
    matched: NDArray[np.float32]
    speed: NDArray[np.float32]
    log10_chance: NDArray[np.float64]

    def __len__(self) -> int:
        return self.offset.size


def align_batch(queries: Rows, documents: Rows, pairs: tuple[ArrayLike, ArrayLike]) -> Alignments:
    """Align many pairs of a query and a document.

    Keys of the words vote for places and speeds; the words are compared at the places with most
    votes. If a query matches in several parts, such as one with a piece cut out, the longest part
    counts.

    Args:
        queries: fingerprints of excerpts, uint32 each.
        documents: fingerprints of recordings, likewise; may be the same object.
        pairs: row numbers in `queries` and in `documents`, [n] each. Pairs of the same query
            should be adjacent.

    Returns:
        The alignments, n of them.

    Raises:
        ValueError: `pairs` is not two rows of equal length.
        IndexError: `pairs` has a row number that does not exist.
    """
    a, b = Ragged.of(queries), Ragged.of(documents)
    rows, others = _check_pairs(pairs, len(a), len(b))
    size = rows.size
    found = Found(
        offset=np.zeros(size),
        duration=np.zeros(size),
        matched=np.zeros(size, np.float32),
        speed=np.ones(size, np.float32),
        log10_chance=np.zeros(size),
    )
    left, right = a.lengths[rows], b.lengths[others]
    piece = min(int(np.minimum(left, right).max(initial=1)), PIECE)
    longest = int(np.maximum(left, right).max(initial=1))
    sides = FlatRows(a.values, a.offsets), FlatRows(b.values, b.offsets)
    align_pairs(*sides, rows, others, piece, longest, found)
    return Alignments(
        found.offset * WORD_SECONDS,
        found.duration * WORD_SECONDS,
        found.matched,
        found.speed,
        found.log10_chance,
    )


def _check_pairs(
    pairs: tuple[ArrayLike, ArrayLike], queries: int, documents: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = (np.ascontiguousarray(side, np.int64) for side in pairs)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"pairs must be two rows of equal length: {left.shape}, {right.shape}")
    for rows, size in ((left, queries), (right, documents)):
        if rows.size and not 0 <= rows.min() <= rows.max() < size:
            raise IndexError(f"pairs names rows outside a batch of {size} fingerprints")
    return left, right
