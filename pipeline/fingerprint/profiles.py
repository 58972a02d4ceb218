"""What compare2 needs to know of each fingerprint alone, found once however many it meets."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.ragged import Ragged

KEYS = 1 << 14
"""Number of keys: a word's key is its top 14 bits."""

TOP_KEY = KEYS - 1
"""The key of all ones, which never votes and is not always counted as unique."""

_KEY_SHIFT = np.uint32(18)
# The reference implementation keeps positions in 16 bits, and reuses the bytes of that table as
# its flags "key seen", of which it clears all but the last. So `TOP_KEY` counts as seen from the
# start where the upper byte of key 8191's position is set.
_POSITION_MASK = (1 << 16) - 1
_SHADOW_KEY = 8191
_SHADOW_FROM = 256


@dataclass(frozen=True, slots=True, eq=False)
class Profiles:
    """The alignment tables of a batch of fingerprints.

    Attributes:
        words: the fingerprints.
        lasts: int64[keys], ascending: for each key of each fingerprint, where in `words.values`
            it occurs last.
        lasts_ends: int64[n], the end of each fingerprint's run in `lasts`.
        keys: intp[votes], the keys that can vote, fingerprint after fingerprint.
        positions: int32[votes], where in its fingerprint each of them occurs last.
        votes: int64[n + 1], the bounds of each fingerprint's run in `keys` and `positions`.
        last_top: int64[n], where in the fingerprint `TOP_KEY` occurs last, or -1.
        shadowed: bool[n], whether `TOP_KEY` is mistaken for seen from the start.
    """

    words: Ragged
    lasts: NDArray[np.int64]
    lasts_ends: NDArray[np.int64]
    keys: NDArray[np.intp]
    positions: NDArray[np.int32]
    votes: NDArray[np.int64]
    last_top: NDArray[np.int64]
    shadowed: NDArray[np.bool]

    def unique_after(self, rows: NDArray[np.intp], dropped: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the keys of `rows` without their first `dropped` words: those that end later."""
        return self.lasts_ends[rows] - self.lasts.searchsorted(self.words.offsets[rows] + dropped)


def profile(words: Ragged) -> Profiles:
    """Find the keys of each fingerprint and their last positions."""
    word_keys = (words.values >> _KEY_SHIFT).astype(np.intp)
    lasts = np.flatnonzero(_is_last(word_keys, words.offsets))
    keys = word_keys[lasts]
    bounds = lasts.searchsorted(words.offsets)
    places = lasts - np.repeat(words.offsets[:-1], bounds[1:] - bounds[:-1])
    stored = places & _POSITION_MASK
    # A key whose last position is stored as 0 can't be told from one that is absent.
    voting = np.flatnonzero((stored > 0) & (keys != TOP_KEY))
    top = np.flatnonzero(keys == TOP_KEY)
    last_top = np.full(len(words), -1, np.int64)
    last_top[_rows_of(top, bounds)] = places[top]
    shadow = np.flatnonzero((keys == _SHADOW_KEY) & (stored >= _SHADOW_FROM))
    shadowed = np.zeros(len(words), np.bool)
    shadowed[_rows_of(shadow, bounds)] = True
    return Profiles(
        words=words,
        lasts=lasts,
        lasts_ends=bounds[1:],
        keys=keys[voting],
        positions=stored[voting].astype(np.int32),
        votes=voting.searchsorted(bounds),
        last_top=last_top,
        shadowed=shadowed,
    )


def _rows_of(indexes: NDArray[np.intp], bounds: NDArray[np.intp]) -> NDArray[np.intp]:
    return bounds.searchsorted(indexes, side="right") - 1


def _is_last(keys: NDArray[np.intp], offsets: NDArray[np.int64]) -> NDArray[np.bool]:
    """Tell for each word whether its key doesn't occur again in the same fingerprint."""
    here = np.arange(keys.size, dtype=np.int32)
    latest = np.empty(keys.size, np.int32)
    table = np.empty(KEYS, np.int32)  # never cleared: only what was just written is read
    for start, end in pairwise(offsets.tolist()):
        row = keys[start:end]
        table[row] = here[start:end]  # of equal keys the last assignment stays
        table.take(row, out=latest[start:end], mode="clip")
    is_last: NDArray[np.bool] = latest == here
    return is_last
