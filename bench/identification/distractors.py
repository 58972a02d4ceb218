"""Distractors: fingerprints of no recording, which fill a catalogue for a measurement.

There are two kinds, in turn. *Shuffled* ones are made of short runs of words from many real
recordings: they have all words of real ones, also the frequent ones, in the same short sequences.
*Synthetic* ones have the statistics of the words of real ones: how often each bit is set, and how
long it stays so. A word has 16 pairs of bits, one pair a classifier; each pair is a Markov chain of
four states with the transitions of all real recordings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.fingerprint.ragged import Ragged, bounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from pipeline.fingerprint.ragged import Rows

    Table = NDArray[np.int64]
    Batch = NDArray[np.uint32]

WORDS: Final = 948
"""Words of a distractor: 120 s, as of most fingerprints."""
LONGEST_RUN: Final = 16
"""Maximum number of adjacent words from one recording: 2 s, too few to be recognised."""
AT_ONCE: Final = 4096
"""Distractors in a batch."""

_STATES: Final = 4
_SHIFTS: Final = np.arange(0, 32, 2, dtype=np.uint32)  # of the 16 pairs of bits
_STEPS: Final = 1 << 12  # probabilities are multiples of 1 / _STEPS
_BURN_IN: Final = 64  # words left out at the start of a chain, so that its start has no effect


def distractors(recordings: Rows, count: int, seed: int = 0) -> Iterator[Ragged]:
    """Yield distractors in batches of `AT_ONCE`: shuffled and synthetic ones in turn.

    Args:
        recordings: fingerprints of real recordings, uint32, at least `LONGEST_RUN` words each.
        count: the number of distractors.
        seed: chooses others of the same kinds.

    Yields:
        uint32 rows of `WORDS` words.

    Raises:
        ValueError: there is no recording, or one is too short.
    """
    rows = Ragged.of(recordings)
    if not len(rows) or rows.lengths.min() < LONGEST_RUN:
        raise ValueError(f"distractors need recordings of at least {LONGEST_RUN} words")
    table = successors(rows)
    for first in range(0, count, AT_ONCE):
        random = np.random.default_rng((seed, first))
        batch = np.empty((min(AT_ONCE, count - first), WORDS), np.uint32)
        batch[::2] = shuffled(rows, len(batch[::2]), random)
        batch[1::2] = synthetic(table, len(batch[1::2]), random)
        yield Ragged(batch.reshape(-1), bounds_of([WORDS] * len(batch)))


def shuffled(rows: Ragged, count: int, random: Generator) -> Batch:
    """Return fingerprints of runs of 1 to `LONGEST_RUN` words: uint32[count, WORDS]."""
    size = count * WORDS
    lengths = random.integers(1, LONGEST_RUN + 1, size + 1)
    ends = np.cumsum(lengths)
    runs = int(np.searchsorted(ends, size)) + 1
    lengths, ends = lengths[:runs], ends[:runs]
    chosen = random.integers(0, len(rows), lengths.size)
    starts = rows.offsets[chosen] + random.integers(0, rows.lengths[chosen] - lengths + 1)
    places = np.arange(ends[-1]) + np.repeat(starts - ends + lengths, lengths)
    words: Batch = rows.values[places[:size]]
    return words.reshape(count, WORDS)


def successors(rows: Ragged) -> Table:
    """Measure how the pairs of bits of adjacent words follow each other.

    Returns:
        int64[16 * 4 * 4096]: the state of a pair in the next word. The index is ((pair * 4 + state)
        * 4096) + a random number below 4096.
    """
    is_last = np.zeros(rows.values.size, bool)
    is_last[rows.offsets[1:] - 1] = True
    before, after = rows.values[:-1][~is_last[:-1]], rows.values[1:][~is_last[:-1]]
    table = []
    for shift in _SHIFTS:
        old, new = (words >> shift & np.uint32(_STATES - 1) for words in (before, after))
        # One more of each, so that no state is left without a successor.
        counts = np.bincount(old * _STATES + new, minlength=_STATES**2).reshape(-1, _STATES) + 1
        shares = np.cumsum(counts, axis=1) / counts.sum(axis=1, keepdims=True)
        steps = np.arange(_STEPS) / _STEPS
        table += [np.searchsorted(row[:-1], steps, side="right") for row in shares]
    return np.concatenate(table)


def synthetic(table: Table, count: int, random: Generator) -> Batch:
    """Return fingerprints of 16 Markov chains, given their `successors`: uint32[count, WORDS]."""
    batch = np.empty((count, WORDS), np.uint32)
    states = np.zeros((count, _SHIFTS.size), np.int64)
    pairs = np.arange(_SHIFTS.size) * _STATES
    for place in range(-_BURN_IN, WORDS):
        drawn = random.integers(0, _STEPS, states.shape, np.uint16)
        states = table[(pairs + states) * _STEPS + drawn]
        if place >= 0:
            batch[:, place] = np.bitwise_or.reduce(states.astype(np.uint32) << _SHIFTS, axis=1)
    return batch
