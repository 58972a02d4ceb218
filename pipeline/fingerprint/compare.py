"""compare2, the score that AcoustID matches and imports by, for many pairs at once.

It gives what the PostgreSQL extension's `acoustid_compare2` gives, its 16-bit positions and its
single-precision stores included.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.fingerprint.ragged import Ragged
from pipeline.fingerprint.ragged import Rows as RowsOfWords
from pipeline.fingerprint.scoring import COLUMNS, Rows, measure
from pipeline.fingerprint.words import Words

MAX_OFFSET = 80
"""The widest alignment that matching and import allow, in words (about 10 s)."""

_MAX_POSITION = 65535
_VOTES_PER_UNIQUE = 0.02


def compare2(a: Words, b: Words, max_offset: int = MAX_OFFSET) -> float:
    """Return how alike two fingerprints are, from 0 (not at all) to 1; see `compare2_batch`."""
    first = np.zeros(1, np.intp)
    return float(compare2_batch([a], [b], (first, first), max_offset)[0])


def compare2_within(
    batch: RowsOfWords, max_offset: int = MAX_OFFSET
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Score every fingerprint of a batch with every later one.

    Returns:
        The rows of the earlier and of the later one, intp[n * (n - 1) / 2], and their scores.
    """
    earlier, later = np.triu_indices(len(batch), k=1)
    return earlier, later, compare2_batch(batch, batch, (earlier, later), max_offset)


def compare2_batch(
    left: RowsOfWords,
    right: RowsOfWords,
    pairs: tuple[ArrayLike, ArrayLike],
    max_offset: int = MAX_OFFSET,
) -> NDArray[np.float32]:
    """Score many pairs of fingerprints.

    The fingerprints are aligned by votes of their words' top 14 bits, trimmed to that alignment,
    and compared bit by bit; half of the bits different (chance) scores 0, and fingerprints that
    repeat themselves are marked down.

    Args:
        left: fingerprints, uint32 each; the stored ones, where the reference implementation
            is asked for stored against query.
        right: fingerprints likewise; may be the same object.
        pairs: row numbers in `left` and in `right`, [n] each, in any order.
        max_offset: the widest alignment considered, in words; 0 for any.

    Returns:
        float32[n], each in [0, 1]: `acoustid_compare2(left, right, max_offset)`. The working
        memory is about 100 bytes a pair, and what one pair of the longest fingerprints takes.

    Raises:
        ValueError: `pairs` isn't two rows of equal length, or `max_offset` is negative.
        IndexError: `pairs` names a row that isn't there.
    """
    if max_offset < 0:
        raise ValueError(f"max_offset must be 0 (any offset) or more, not {max_offset}")
    lefts, rights = _check_pairs(pairs, len(left), len(right))
    a, b = Ragged.of(left), Ragged.of(right)
    longest = int(max(a.lengths.max(initial=0), b.lengths.max(initial=0)))
    # The side with fewer fingerprints is met in runs: its table is laid out once for each.
    order = np.argsort(lefts, kind="stable")
    found = np.empty((len(lefts), COLUMNS), np.int64)
    measure(
        Rows(a.values, a.offsets),
        Rows(b.values, b.offsets),
        lefts[order],
        rights[order],
        min(max_offset or _MAX_POSITION, longest),
        found,
    )
    scores = np.empty(len(lefts), np.float32)
    scores[order] = _scores(found, np.minimum(a.lengths[lefts], b.lengths[rights])[order] & ~1)
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


def _scores(found: NDArray[np.int64], shorter: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return what the measures of pairs come to; `shorter` as in `_likeness`."""
    votes, unique_a, unique_b, lengths_a, lengths_b, sizes, errors = found.T
    enough = votes >= _VOTES_PER_UNIQUE * np.maximum(unique_a, unique_b)
    alive = np.flatnonzero(enough & (votes > 0) & (sizes > 0))
    diversity = np.minimum(
        _diversity(unique_a[alive], lengths_a[alive]),
        _diversity(unique_b[alive], lengths_b[alive]),
    )
    likeness = _likeness(errors[alive], sizes[alive], shorter[alive])
    scores = np.zeros(len(found), np.float32)
    scores[alive] = likeness.astype(np.float64) ** (8 - 7 * diversity.astype(np.float64))
    return scores


# Where the reference implementation calculates in single precision, so do these two: the
# scores come out equal to the last bit.


def _diversity(unique: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how little a side repeats itself, at most 1."""
    share = (unique + 10).astype(np.float32) / lengths.astype(np.float32)
    return np.minimum(share + np.float32(0.5), np.float32(1))


def _likeness(
    errors: NDArray[np.int64], sizes: NDArray[np.int64], shorter: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the share of the shorter side that overlaps, times its bits' likeness over chance.

    Args:
        errors: bits that differ.
        sizes: words that face each other.
        shorter: words of the shorter side as it was, rounded down to an even number.
    """
    likeness = sizes / shorter * (1 - 2 * errors / (32 * sizes))
    return np.maximum(likeness, 0).astype(np.float32)
