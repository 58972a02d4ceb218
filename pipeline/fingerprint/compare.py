"""compare2, the score that AcoustID matches and imports by, for many pairs at once.

It gives what the PostgreSQL extension's `acoustid_compare2` gives, its 16-bit positions and its
single-precision stores included.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.fingerprint.alignment import Pairs, align
from pipeline.fingerprint.overlap import Overlaps, bit_errors, count_unique, find_overlaps
from pipeline.fingerprint.profiles import profile
from pipeline.fingerprint.ragged import Rows, lengths_of, take_rows
from pipeline.fingerprint.words import Words

MAX_OFFSET = 80
"""The widest alignment that matching and import allow, in words (about 10 s)."""

_MAX_POSITION = 65535
_VOTES_PER_UNIQUE = 0.02
# Words and histogram bins worked on together, about 5 MB. With much more, the allocator would
# fetch and return the pages of each array anew, which takes longer than the work.
_CHUNK = 1 << 17
# Where all are compared with all, so many rows of the side with fewer fingerprints go together:
# in about square chunks each fingerprint is met often for what is found out about it.
_TILE = 8


def compare2(a: Words, b: Words, max_offset: int = MAX_OFFSET) -> float:
    """Return how alike two fingerprints are, from 0 (not at all) to 1; see `compare2_batch`."""
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
        memory doesn't grow with the number of pairs, only with the longest two fingerprints.

    Raises:
        ValueError: `pairs` isn't two rows of equal length, or `max_offset` is negative.
        IndexError: `pairs` names a row that isn't there.
    """
    if max_offset < 0:
        raise ValueError(f"max_offset must be 0 (any offset) or more, not {max_offset}")
    wanted = _check_pairs(pairs, len(left), len(right))
    lengths, others = lengths_of(left), lengths_of(right)
    longest = int(max(lengths.max(initial=0), others.max(initial=0)))
    window = min(max_offset or _MAX_POSITION, longest)
    costs = lengths[wanted.left] + others[wanted.right] + 2 * window + 1
    scores = np.zeros(len(wanted), np.float32)
    for chunk in _chunks(wanted, costs):
        part = Pairs(wanted.left[chunk], wanted.right[chunk])
        scores[chunk] = _score(left, right, part, window)
    return scores


def _check_pairs(pairs: tuple[ArrayLike, ArrayLike], lefts: int, rights: int) -> Pairs:
    left, right = (np.asarray(side, np.intp) for side in pairs)
    if left.ndim != 1 or left.shape != right.shape:
        raise ValueError(f"pairs must be two rows of equal length: {left.shape}, {right.shape}")
    for rows, size in ((left, lefts), (right, rights)):
        if rows.size and not 0 <= rows.min() <= rows.max() < size:
            raise IndexError(f"pairs names rows outside a batch of {size} fingerprints")
    return Pairs(left, right)


def _chunks(pairs: Pairs, costs: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Yield which pairs to score together, so that they share fingerprints if they can."""
    scarce, plenty = sorted((pairs.left, pairs.right), key=_count_different)
    order = np.lexsort((plenty, scarce // _TILE))
    totals = np.cumsum(costs[order])
    start = done = 0
    while start < len(order):
        stop = max(start + 1, int(totals.searchsorted(done + _CHUNK, side="right")))
        chunk = order[start:stop]
        yield chunk[scarce[chunk].argsort(kind="stable")]
        start, done = stop, int(totals[stop - 1])


def _count_different(rows: NDArray[np.intp]) -> int:
    return int(np.count_nonzero(np.bincount(rows)))


def _score(left: Rows, right: Rows, pairs: Pairs, window: int) -> NDArray[np.float32]:
    rows, columns = (np.flatnonzero(np.bincount(side)) for side in (pairs.left, pairs.right))
    a, b = profile(take_rows(left, rows)), profile(take_rows(right, columns))
    local = Pairs(rows.searchsorted(pairs.left), columns.searchsorted(pairs.right))
    aligned = align(a, b, local, window)
    overlaps = find_overlaps(a, b, local, aligned.offsets)
    unique_a, unique_b = count_unique(a, b, local, overlaps)
    enough = aligned.votes >= _VOTES_PER_UNIQUE * np.maximum(unique_a, unique_b)
    alive = np.flatnonzero(enough & (aligned.votes > 0) & (overlaps.sizes > 0))
    diversity = np.minimum(
        _diversity(unique_a[alive], overlaps.lengths_a[alive]),
        _diversity(unique_b[alive], overlaps.lengths_b[alive]),
    )
    likeness = _likeness(bit_errors(a, b, overlaps, alive), overlaps, alive)
    scores = np.zeros(len(pairs), np.float32)
    scores[alive] = likeness.astype(np.float64) ** (8 - 7 * diversity.astype(np.float64))
    return scores


# Where the reference implementation calculates in single precision, so do these two: the
# scores come out equal to the last bit.


def _diversity(unique: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how little a side repeats itself, at most 1."""
    share = (unique + 10).astype(np.float32) / lengths.astype(np.float32)
    return np.minimum(share + np.float32(0.5), np.float32(1))


def _likeness(
    errors: NDArray[np.int64], overlaps: Overlaps, rows: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Return the share of the shorter side that overlaps, times its bits' likeness over chance."""
    sizes = overlaps.sizes[rows]
    likeness = sizes / overlaps.shorter[rows] * (1 - 2 * errors / (32 * sizes))
    return np.maximum(likeness, 0).astype(np.float32)
