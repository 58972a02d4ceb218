"""Distractors: fingerprints of no recording, which fill a catalogue for a measurement.

There are two kinds, in turn. *Shuffled* ones are made of short runs of words from many real
recordings: they have all words of real ones, also the frequent ones, in the same short sequences.
*Synthetic* ones have the statistics of the words of real ones: how often each bit is set, and how
long it stays so. A word has 16 pairs of bits, one pair a classifier; each pair is a Markov chain of
four states with the transitions of all real recordings.

All are derived from a seed and their own number: any batch can be made alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.fingerprint.ragged import Ragged, Rows, bounds_of
from pipeline.loops.compiled import compiled, inlined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.fingerprint.words import Words

WORDS: Final = 948
"""Words of a distractor: 120 s, as of most fingerprints."""
LONGEST_RUN: Final = 16
"""Maximum number of adjacent words from one recording: 2 s, too few to be recognised."""
AT_ONCE: Final = 4096
"""Distractors in a batch."""

_PAIRS: Final = 16
_STATES: Final = 4
_PAIR_MASK: Final = np.uint32(_STATES - 1)
_CHANCE_BITS: Final = 16
_CHANCE_MASK: Final = np.uint64((1 << _CHANCE_BITS) - 1)
_BURN_IN: Final = 64  # words left out at the start of a chain, so that its start has no effect


def distractors(recordings: Rows, count: int, seed: int = 0) -> Iterator[Ragged]:
    """Yield distractors in batches: shuffled and synthetic ones in turn, each of `WORDS` words.

    Args:
        recordings: fingerprints of real recordings, uint32, at least `LONGEST_RUN` words each.
        count: the number of distractors.
        seed: chooses others of the same kinds.

    Raises:
        ValueError: there is no recording, or one is too short.
    """
    rows = Ragged.of(recordings)
    if not len(rows) or rows.lengths.min() < LONGEST_RUN:
        raise ValueError(f"distractors need recordings of at least {LONGEST_RUN} words")
    chances = transitions(rows)
    for first in range(0, count, AT_ONCE):
        batch = np.empty((min(AT_ONCE, count - first), WORDS), np.uint32)
        _fill(rows.values, rows.offsets, chances, seed, first, batch)
        yield Ragged(batch.reshape(-1), bounds_of([WORDS] * len(batch)))


def transitions(rows: Ragged) -> NDArray[np.uint64]:
    """Measure how the pairs of bits of adjacent words follow each other.

    Args:
        rows: fingerprints of real recordings.

    Returns:
        uint64[16, 4, 3]: element [p, s, n] is the probability, in 2**-16, that pair p (its bits are
        2p and 2p + 1) has a state of at most n in the word after one with state s.
    """
    adjacent = np.ones(rows.values.size - 1, bool)
    adjacent[rows.offsets[1:-1] - 1] = False
    before, after = rows.values[:-1][adjacent], rows.values[1:][adjacent]
    chances = np.empty((_PAIRS, _STATES, _STATES - 1), np.uint64)
    for pair in range(_PAIRS):
        shift = np.uint32(2 * pair)
        states = (before >> shift & _PAIR_MASK) * _STATES + (after >> shift & _PAIR_MASK)
        # One more of each, so that no state is left without a successor.
        counts = np.bincount(states, minlength=_STATES**2).reshape(_STATES, _STATES) + 1
        shares = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
        chances[pair] = np.rint(shares[:, :-1] * (1 << _CHANCE_BITS)).astype(np.uint64)
    return chances


@compiled
def _fill(
    values: Words,
    offsets: NDArray[np.int64],
    chances: NDArray[np.uint64],
    seed: int,
    first: int,
    batch: NDArray[np.uint32],
) -> None:
    """Fill a batch with distractors from number `first` on."""
    for place in range(batch.shape[0]):
        number = first + place
        state = _mixed(_mixed(np.uint64(seed)) ^ np.uint64(number))
        if number % 2:
            _synthesise(chances, state, batch[place])
        else:
            _shuffle(values, offsets, state, batch[place])


@compiled
def _shuffle(
    values: Words, offsets: NDArray[np.int64], state: np.uint64, words: NDArray[np.uint32]
) -> None:
    """Fill a distractor with runs of 1 to `LONGEST_RUN` words of any recordings."""
    place = 0
    while place < words.size:
        state = _next(state)
        length = min(1 + _below(state, LONGEST_RUN), words.size - place)
        state = _next(state)
        row = _below(state, offsets.size - 1)
        state = _next(state)
        start = offsets[row] + _below(state, offsets[row + 1] - offsets[row] - length + 1)
        words[place : place + length] = values[start : start + length]
        place += length


@compiled
def _synthesise(chances: NDArray[np.uint64], state: np.uint64, words: NDArray[np.uint32]) -> None:
    """Fill a distractor with words of 16 Markov chains."""
    word = np.uint32(0)
    for place in range(-_BURN_IN, words.size):
        after = np.uint32(0)
        for pair in range(_PAIRS):
            if pair % 4 == 0:
                state = _next(state)
                drawn = _mixed(state)
            chance = drawn & _CHANCE_MASK
            drawn >>= np.uint64(_CHANCE_BITS)
            shift = np.uint32(2 * pair)
            row = chances[pair, np.int64(word >> shift & _PAIR_MASK)]
            found = (chance >= row[0]) + (chance >= row[1]) + (chance >= row[2])
            after |= np.uint32(found) << shift
        word = after
        if place >= 0:
            words[place] = word


@inlined
def _next(state: np.uint64) -> np.uint64:
    """Return the next state of the generator (SplitMix64: G. Steele, D. Lea, C. Flood, 2014)."""
    return state + np.uint64(0x9E3779B97F4A7C15)


@inlined
def _mixed(state: np.uint64) -> np.uint64:
    """Return the random number of a state, 64 bits (the mixing function of SplitMix64)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@inlined
def _below(state: np.uint64, end: int) -> int:
    """Return a random number from 0 to `end` - 1, at most 2**32 - 1."""
    return np.int64(((_mixed(state) >> np.uint64(32)) * np.uint64(end)) >> np.uint64(32))
