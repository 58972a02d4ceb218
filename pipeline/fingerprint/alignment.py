"""Where two fingerprints fit together: votes of the keys that they share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.profiles import KEYS, TOP_KEY, Profiles
from pipeline.fingerprint.ragged import bounds_of

_ABSENT = np.int32(-(1 << 30))  # far below any offset, so that it never is within the window


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which fingerprints of two batches to compare.

    Attributes:
        left: intp[n], rows of the first batch.
        right: intp[n], rows of the second batch. On one of the sides equal rows are best next
            to each other.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.left)


@dataclass(frozen=True, slots=True, eq=False)
class Alignments:
    """The winning alignment of each pair.

    Attributes:
        offsets: int64[n], position in the left fingerprint less position in the right one;
            of no meaning without votes.
        votes: int64[n], how many keys vote for it; 0 where none does.
    """

    offsets: NDArray[np.int64]
    votes: NDArray[np.int64]


def align(left: Profiles, right: Profiles, pairs: Pairs, window: int) -> Alignments:
    """Find each pair's winning offset within ±window.

    Each key present in both votes for the difference of its last positions. The reference
    implementation scans the keys upwards and keeps the first offset that reaches the highest
    count: among offsets with equally many votes, that whose highest voting key is the lowest.
    """
    if _count_changes(pairs.right) < _count_changes(pairs.left):
        # A table serves a run of pairs with the same left side. The votes are the same mirrored.
        mirrored = _vote(right, left, Pairs(pairs.right, pairs.left), window)
        return Alignments(-mirrored.offsets, mirrored.votes)
    return _vote(left, right, pairs, window)


def _count_changes(rows: NDArray[np.intp]) -> int:
    return int(np.count_nonzero(rows[1:] != rows[:-1]))


def _vote(left: Profiles, right: Profiles, pairs: Pairs, window: int) -> Alignments:
    width = 2 * window + 1
    shifted, bounds = _differences(left, right, pairs)
    shifted += np.int32(window)
    hits = np.flatnonzero(shifted.view(np.uint32) < width)
    owners = np.repeat(np.arange(len(pairs)), np.diff(hits.searchsorted(bounds)))
    bins = owners * width + shifted[hits]
    keys = right.keys[hits - bounds[owners] + right.votes[pairs.right[owners]]]
    highest_keys = np.zeros(len(pairs) * width, np.int64)
    np.maximum.at(highest_keys, bins, keys)
    votes = np.bincount(bins, minlength=len(pairs) * width)
    ranks = (votes * KEYS + (TOP_KEY - highest_keys)).reshape(len(pairs), width)
    winners = ranks.argmax(axis=1)
    return Alignments(winners - window, ranks.max(axis=1) // KEYS)


def _differences(
    left: Profiles, right: Profiles, pairs: Pairs
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return for each voting key of each pair's right side how far left has it, pair by pair.

    Returns:
        int32[total] with very low numbers for keys that left doesn't have, and the bounds of
        each pair's run in it, int64[n + 1].
    """
    sizes = np.diff(right.votes)[pairs.right]
    bounds = bounds_of(sizes)
    differences = np.empty(bounds[-1], np.int32)
    starts = right.votes[pairs.right].tolist()
    table = np.empty(KEYS, np.int32)
    loaded = -1
    places = bounds.tolist()
    for row, start, low, high in zip(pairs.left.tolist(), starts, places, places[1:], strict=False):
        if row != loaded:
            _load(table, left, row)
            loaded = row
        run = slice(start, start + high - low)
        out = differences[low:high]
        table.take(right.keys[run], out=out, mode="clip")
        out -= right.positions[run]
    return differences, bounds


def _load(table: NDArray[np.int32], profiles: Profiles, row: int) -> None:
    run = slice(profiles.votes[row], profiles.votes[row + 1])
    table.fill(_ABSENT)
    table[profiles.keys[run]] = profiles.positions[run]
