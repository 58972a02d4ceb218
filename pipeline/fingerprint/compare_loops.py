"""The loops of compare2: align two fingerprints, trim them, count different bits, compute a score.

They have the same steps as `acoustid_compare2` of the PostgreSQL extension, including its 16-bit
tables and its single precision.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.words import Words
from pipeline.loops.compiled import compiled
from pipeline.loops.intrinsics import count_ones

KEYS: Final = 1 << 14
"""Number of keys: a word's key is its top 14 bits."""

_KEY_SHIFT: Final = np.uint32(18)
# The key of all ones, which never votes.
_TOP_KEY: Final = KEYS - 1
# The reference implementation keeps positions in 16 bits. It reuses the bytes of that table as the
# flags "key seen". It clears all flags except the last one, the flag of the top key. This flag is
# the upper byte of key 8191's position. If that byte is not 0, the top key counts as seen.
_POSITION_MASK: Final = (1 << 16) - 1
_SHADOW_KEY: Final = 8191
_SHADOW_FROM: Final = 256
_VOTES_PER_UNIQUE: Final = 0.02

Counts = NDArray[np.int64]
Scores = NDArray[np.float32]


class Tables(NamedTuple):
    """Working memory, used for one pair after the other.

    Attributes:
        last: int32[KEYS], the position of each key's last word in the left fingerprint, -1 if it
            has none.
        seen: uint8[KEYS], zero between two uses.
        votes: int64[2 * window + 1], the votes for each offset, zero between two pairs.
        highest: int64[2 * window + 1], the highest key that voted for it.
    """

    last: NDArray[np.int32]
    seen: NDArray[np.uint8]
    votes: Counts
    highest: Counts


class FlatRows(NamedTuple):
    """Concatenated fingerprints, as in `Ragged`."""

    values: Words
    offsets: Counts


class Overlap(NamedTuple):
    """The overlap of two fingerprints, trimmed to their alignment.

    Attributes:
        votes: number of keys that vote for the alignment.
        unique_left: number of distinct keys of the left side.
        unique_right: number of distinct keys of the right side.
        left: words of the left side.
        right: words of the right side.
        size: number of aligned pairs of words, an even number.
        errors: number of bits that differ in these pairs.
    """

    votes: int
    unique_left: int
    unique_right: int
    left: int
    right: int
    size: int
    errors: int


@compiled
def score_pairs(
    left: FlatRows,
    right: FlatRows,
    lefts: Counts,
    rights: Counts,
    order: Counts,
    window: int,
    scores: Scores,
) -> None:
    """Align and score pairs of fingerprints.

    Args:
        left: the stored fingerprints.
        right: the others.
        lefts: the row of each pair on the left, int64[n].
        rights: its row on the right.
        order: the order in which the pairs are scored, int64[n]. Pairs with the same left row
            should be adjacent: the row is prepared once for all of them.
        window: maximum offset of the alignment, in words.
        scores: receives the score of each pair, float32[n].
    """
    tables = Tables(
        np.full(KEYS, -1, np.int32),
        np.zeros(KEYS, np.uint8),
        np.zeros(2 * window + 1, np.int64),
        np.zeros(2 * window + 1, np.int64),
    )
    loaded = -1
    for pair in order:
        row = lefts[pair]
        a = left.values[left.offsets[row] : left.offsets[row + 1]]
        if row != loaded:
            if loaded >= 0:
                _unload(left.values[left.offsets[loaded] : left.offsets[loaded + 1]], tables)
            for place in range(a.size):
                tables.last[np.int64(a[place] >> _KEY_SHIFT)] = place
            loaded = row
        row = rights[pair]
        b = right.values[right.offsets[row] : right.offsets[row + 1]]
        scores[pair] = _score(_overlap(a, b, window, tables), min(a.size, b.size))


@compiled
def _unload(a: Words, tables: Tables) -> None:
    for word in a:
        tables.last[np.int64(word >> _KEY_SHIFT)] = -1


@compiled
def _overlap(a: Words, b: Words, window: int, tables: Tables) -> Overlap:
    """Align and measure one pair, of which the left side is in `tables.last`."""
    offset, votes = _align(b, window, tables)
    left, right = a[max(offset, 0) :], b[max(-offset, 0) :]
    size = min(left.size, right.size) & ~1
    if not votes or not size:
        return Overlap(0, 0, 0, 0, 0, 0, 0)
    stored = tables.last[_SHADOW_KEY]
    top_is_seen = stored >= 0 and (stored & _POSITION_MASK) >= _SHADOW_FROM
    unique_left, top_is_seen = _count_keys(left, top_is_seen, tables.seen)
    unique_right, _ = _count_keys(right, top_is_seen, tables.seen)
    errors = 0
    for place in range(np.uint64(size)):
        errors += count_ones(np.uint64(left[place] ^ right[place]))
    return Overlap(votes, unique_left, unique_right, left.size, right.size, size, errors)


@compiled
def _score(found: Overlap, shorter: int) -> np.float32:
    """Return the score of an overlap, from 0 to 1.

    It is 0 if half of the bits differ, as by chance, or if too few keys vote for the alignment.
    Parts of the shorter side outside the overlap, and repeated words, lower it.

    Args:
        found: the overlap.
        shorter: words of the shorter side before they were trimmed.
    """
    unique = max(found.unique_left, found.unique_right)
    if not found.votes or found.votes < _VOTES_PER_UNIQUE * unique:
        return np.float32(0)
    share = found.size / (shorter & ~1)
    likeness = np.float32(max(share * (1 - 2 * found.errors / (32 * found.size)), 0.0))
    diversity = min(
        _diversity(found.unique_left, found.left), _diversity(found.unique_right, found.right)
    )
    return np.float32(np.float64(likeness) ** (8 - 7 * np.float64(diversity)))


@compiled
def _diversity(unique: int, length: int) -> np.float32:
    """Return the diversity of a side's words, at most 1; repeated words lower it."""
    share = np.float32(unique + 10) / np.float32(length)
    return min(share + np.float32(0.5), np.float32(1))


@compiled
def _align(b: Words, window: int, tables: Tables) -> tuple[int, int]:
    """Return the offset with the most votes of keys, and their number; 0 and 0 without votes.

    Each key that both sides have votes for the difference of its last positions. A position of 0
    counts as absence. The reference implementation scans the keys upwards and keeps the first
    offset that reaches the highest count. If several offsets have the most votes, the highest
    voting keys of these offsets are compared, and the offset with the lowest one is returned.
    """
    width = np.uint64(2 * window + 1)
    for place in range(b.size - 1, -1, -1):
        key = np.int64(b[place] >> _KEY_SHIFT)
        if tables.seen[key]:
            continue
        tables.seen[key] = 1
        first = tables.last[key] & _POSITION_MASK if tables.last[key] >= 0 else 0
        second = place & _POSITION_MASK
        column = np.uint64(first - second + window)
        if first and second and key != _TOP_KEY and column < width:
            tables.votes[column] += 1
            tables.highest[column] = max(tables.highest[column], key)
    for word in b:
        tables.seen[np.int64(word >> _KEY_SHIFT)] = 0
    best = -1
    for column in range(2 * window + 1):
        count = tables.votes[column]
        if count and (
            best < 0
            or count > tables.votes[best]
            or (count == tables.votes[best] and tables.highest[column] < tables.highest[best])
        ):
            best = column
    votes = tables.votes[best] if best >= 0 else 0
    tables.votes[:] = 0
    tables.highest[:] = 0
    return (best - window if votes else 0), votes


@compiled
def _count_keys(words: Words, top_is_seen: bool, seen: NDArray[np.uint8]) -> tuple[int, bool]:  # noqa: FBT001
    """Return the number of distinct keys of words, and whether the top key now counts as seen."""
    count = 0
    seen[_TOP_KEY] = top_is_seen
    for word in words:
        key = np.int64(word >> _KEY_SHIFT)
        count += 1 - seen[key]
        seen[key] = 1
    top_is_seen = seen[_TOP_KEY] == 1
    for word in words:
        seen[np.int64(word >> _KEY_SHIFT)] = 0
    seen[_TOP_KEY] = 0
    return count, top_is_seen
