"""compare2, AcoustID's score for matching and importing, for many pairs at once.

The results equal those of the PostgreSQL extension's `acoustid_compare2`, including its 16-bit
positions and its single precision.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.fingerprint.compare_loops import FlatRows, score_pairs
from pipeline.fingerprint.ragged import Ragged, Rows
from pipeline.fingerprint.words import Words

MAX_OFFSET = 80
"""Maximum offset of the alignment in matching and import, in words (about 10 s)."""

_MAX_POSITION: Final = 65535


def compare2(a: Words, b: Words, max_offset: int = MAX_OFFSET) -> float:
    """Return the similarity of two fingerprints, from 0 to 1; see `compare2_batch`."""
    first = np.zeros(1, np.intp)
    return float(compare2_batch([a], [b], (first, first), max_offset)[0])


def compare2_within(
    batch: Rows, max_offset: int = MAX_OFFSET
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Score every fingerprint of a batch with every later one.

    Returns:
        The rows of the earlier and of the later one, intp[n * (n - 1) / 2], and their scores.
    """
    earlier, later = np.triu_indices(len(batch), k=1)
    return earlier, later, compare2_batch(batch, batch, (earlier, later), max_offset)


def compare2_batch(
    left: Rows,
    right: Rows,
    pairs: tuple[ArrayLike, ArrayLike],
    max_offset: int = MAX_OFFSET,
) -> NDArray[np.float32]:
    """Score many pairs of fingerprints.

    The fingerprints are aligned by votes of their words' top 14 bits, trimmed to that alignment,
    and compared bit by bit. If half of the bits differ, as by chance, the score is 0. Repeated
    words lower the score.

    Args:
        left: fingerprints, uint32 each: the first argument of the reference implementation, such
            as the stored ones.
        right: fingerprints, likewise; may be the same object.
        pairs: row numbers in `left` and in `right`, [n] each, in any order.
        max_offset: maximum offset of the alignment, in words; 0 for any.

    Returns:
        float32[n], each in [0, 1]: `acoustid_compare2(left, right, max_offset)`. The working
        memory is about 100 bytes per pair, plus that of one pair of the longest fingerprints.

    Raises:
        ValueError: `pairs` is not two rows of equal length, or `max_offset` is negative.
        IndexError: `pairs` has a row number that does not exist.
    """
    if max_offset < 0:
        raise ValueError(f"max_offset must be 0 (any offset) or more, not {max_offset}")
    lefts, rights = _check_pairs(pairs, len(left), len(right))
    a, b = Ragged.of(left), Ragged.of(right)
    longest = int(max(a.lengths.max(initial=0), b.lengths.max(initial=0)))
    window = min(max_offset or _MAX_POSITION, longest)
    scores = np.empty(lefts.size, np.float32)
    order = np.argsort(lefts, kind="stable")
    sides = FlatRows(a.values, a.offsets), FlatRows(b.values, b.offsets)
    score_pairs(*sides, lefts, rights, order, window, scores)
    return scores


def _check_pairs(
    pairs: tuple[ArrayLike, ArrayLike], lefts: int, rights: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = (np.asarray(side, np.int64) for side in pairs)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"pairs must be two rows of equal length: {left.shape}, {right.shape}")
    for rows, size in ((left, lefts), (right, rights)):
        if rows.size and not 0 <= rows.min() <= rows.max() < size:
            raise IndexError(f"pairs names rows outside a batch of {size} fingerprints")
    return left, right
