"""The loops that find places at which two fingerprints may match: votes of equal keys.

A key is made of a word's odd bits: of the two bits that code a filter's output, the odd one says
on which side of the middle threshold the output lies, and survives distortion more often. Each
word has two keys of 12 bits, which overlap. Keys at places p and d vote for the line through
(p, d), at each of a few speeds (a Hough transform).
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled, inlined

MAX_DRIFT: Final = 0.045
"""Largest difference of the speed from 1 that is tried."""

SEEDS: Final = 8
"""Number of places that are kept for each piece of the shorter fingerprint."""

_KEY_BITS: Final = 12
_KEYS: Final = 1 << _KEY_BITS
_SECOND_KEY: Final = 4  # the second key begins at this of the 16 odd bits
_REPEATS: Final = 16  # places of a key that may vote: loops and drones repeat their keys
_END_DRIFT: Final = 5.0  # words by which a line of the next speed may differ at a piece's end
_WIDTH: Final = 5  # columns that are added up: words change slowly, so neighbours vote too
_BLOCK: Final = 32  # columns whose highest sum is found first
_APART: Final = 6  # columns between two seeds


class Votes(NamedTuple):
    """Working memory of the votes for one piece, used for one pair after the other.

    Attributes:
        first: int32[2 * keys], the last place in the piece with each key, -1 if none.
        following: int32[2 * longest piece], the place before that with the same key.
        shifts: int32[any], the place of each word of the piece after its middle, for each speed.
        counts: int32[any], votes for each speed and column.
        sums: int32[any], votes of the columns around each column, for one speed.
    """

    first: NDArray[np.int32]
    following: NDArray[np.int32]
    shifts: NDArray[np.int32]
    counts: NDArray[np.int32]
    sums: NDArray[np.int32]


class Seeds(NamedTuple):
    """Places to compare, the one with most votes first: see `Line` in `line_loops`.

    Attributes:
        votes: int64[SEEDS], 0 where there are fewer seeds.
        column: int64[SEEDS], the place in the longer fingerprint of the piece's middle.
        speed: float64[SEEDS].
    """

    votes: NDArray[np.int64]
    column: NDArray[np.int64]
    speed: NDArray[np.float64]


@compiled
def make_votes(longest_piece: int, longest: int) -> Votes:
    """Return working memory for pieces and longer fingerprints of at most these many words."""
    speeds = 2 * speeds_each_side(longest_piece) + 1
    columns = longest + 2 * _margin(longest_piece)
    return Votes(
        np.empty(2 * _KEYS, np.int32),
        np.empty(2 * longest_piece, np.int32),
        np.empty(speeds * longest_piece, np.int32),
        np.zeros(speeds * columns, np.int32),
        np.zeros(columns, np.int32),
    )


@compiled
def make_seeds() -> Seeds:
    """Return room for the seeds of one piece."""
    return Seeds(np.zeros(SEEDS, np.int64), np.zeros(SEEDS, np.int64), np.ones(SEEDS))


@compiled
def speeds_each_side(size: int) -> int:
    """Return how many speeds above 1, and below, a piece of `size` words needs."""
    step = 2 * _END_DRIFT / max(size, 1)
    return max(0, int(np.ceil((MAX_DRIFT - step / 2) / step)))


@compiled
def speed_step(size: int) -> float:
    """Return the difference of two speeds in the votes of a piece of `size` words."""
    each_side = speeds_each_side(size)
    return MAX_DRIFT / each_side if each_side else 2 * MAX_DRIFT


@compiled
def load_piece(piece: Words, votes: Votes) -> None:
    """Prepare the votes of a piece, uint32[n], n at least 1, for any number of other sides.

    Of a run of equal keys only the first votes.
    """
    votes.first[:] = -1
    last = np.uint32(0)
    for place in range(piece.size):
        bits = odd_bits(piece[place])
        for which in range(2):
            key = _key(bits, which)
            if place and key == _key(last, which):
                continue
            slot = which * _KEYS + key
            votes.following[which * piece.size + place] = votes.first[slot]
            votes.first[slot] = place
        last = bits
    each_side, step = speeds_each_side(piece.size), speed_step(piece.size)
    middle = piece.size // 2
    for change in range(-each_side, each_side + 1):
        row = (change + each_side) * piece.size
        for place in range(piece.size):
            shift = np.floor((place - middle) * (1 + change * step) + 0.5)
            votes.shifts[row + place] = np.int32(shift)


@compiled
def find_seeds(size: int, other: Words, votes: Votes, seeds: Seeds) -> None:
    """Find the places in `other` for which most keys of the loaded piece vote.

    Args:
        size: number of words of the loaded piece.
        other: uint32[m].
        votes: working memory, with the piece.
        seeds: receives the places.
    """
    each_side, step, margin = speeds_each_side(size), speed_step(size), _margin(size)
    columns = other.size + 2 * margin
    speeds = 2 * each_side + 1
    votes.counts[: speeds * columns] = 0
    last = np.uint32(0)
    for place in range(other.size):
        bits = odd_bits(other[place])
        for which in range(2):
            key = _key(bits, which)
            if place and key == _key(last, which):
                continue
            voter, left = votes.first[which * _KEYS + key], _REPEATS
            while voter >= 0 and left:
                for speed in range(speeds):
                    column = place - votes.shifts[speed * size + voter] + margin
                    votes.counts[speed * columns + column] += 1
                voter, left = votes.following[which * size + voter], left - 1
        last = bits
    seeds.votes[:] = 0
    for change in range(-each_side, each_side + 1):
        row = (change + each_side) * columns
        counts = votes.counts[row : row + columns]
        _keep_peaks(counts, votes.sums, margin, 1 + change * step, seeds)


@inlined
def odd_bits(word: np.uint32) -> np.uint32:
    """Return the 16 odd bits of a word, adjacent."""
    bits = (word >> np.uint32(1)) & np.uint32(0x55555555)
    bits = (bits | (bits >> np.uint32(1))) & np.uint32(0x33333333)
    bits = (bits | (bits >> np.uint32(2))) & np.uint32(0x0F0F0F0F)
    bits = (bits | (bits >> np.uint32(4))) & np.uint32(0x00FF00FF)
    return (bits | (bits >> np.uint32(8))) & np.uint32(0xFFFF)


@inlined
def _key(bits: np.uint32, which: int) -> int:
    """Return the first (0) or the second (1) key of a word's odd bits."""
    return int((np.int64(bits) >> (_SECOND_KEY * which)) & (_KEYS - 1))


@compiled
def _margin(size: int) -> int:
    """Return the columns before and after the longer fingerprint that a piece's middle may take."""
    return int((size / 2 + 1) * (1 + 2 * MAX_DRIFT)) + _WIDTH


@compiled
def _keep_peaks(
    counts: NDArray[np.int32], sums: NDArray[np.int32], margin: int, speed: float, seeds: Seeds
) -> None:
    """Keep the columns with the most votes in and around them, several columns apart."""
    size = counts.size - _WIDTH + 1
    for column in range(np.uint64(size)):  # simple loops, so that the compiler vectorises them
        sums[column] = (
            counts[column]
            + counts[column + np.uint64(1)]
            + counts[column + np.uint64(2)]
            + counts[column + np.uint64(3)]
            + counts[column + np.uint64(4)]
        )
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        highest = np.int32(0)
        for column in range(np.uint64(start), np.uint64(stop)):
            highest = max(highest, sums[column])
        if highest > seeds.votes[SEEDS - 1]:
            for column in range(start, stop):
                if sums[column] > seeds.votes[SEEDS - 1]:
                    _insert(sums[column], column + _WIDTH // 2 - margin, speed, seeds)


@compiled
def _insert(total: int, column: int, speed: float, seeds: Seeds) -> None:
    """Insert a place, sorted by votes, instead of a near one with fewer votes or the last one."""
    slot = SEEDS - 1
    for other in range(SEEDS):
        if seeds.votes[other] and abs(seeds.column[other] - column) <= _APART:
            if seeds.votes[other] >= total:
                return
            slot = other
            break
    while slot > 0 and seeds.votes[slot - 1] < total:
        seeds.votes[slot] = seeds.votes[slot - 1]
        seeds.column[slot] = seeds.column[slot - 1]
        seeds.speed[slot] = seeds.speed[slot - 1]
        slot -= 1
    seeds.votes[slot], seeds.column[slot], seeds.speed[slot] = total, column, speed
