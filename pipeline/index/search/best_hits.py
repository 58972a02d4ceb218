"""The best hits of one query: its condition for hits, and a buffer for the hits found so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.index.search.keys import document_of, make_key, score_of
from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Keys = NDArray[np.uint64]

_COUNT: Final = 0
_BEST: Final = 1
_FLOOR: Final = 2
_CUT: Final = 3


class Cutoff(NamedTuple):
    """The condition for hits.

    Attributes:
        limit: maximum number of hits of a query.
        min_score: the minimum score of a hit.
        score_pct: minimum score of a hit in percent of the best score.
    """

    limit: int
    min_score: int
    score_pct: int


class BestHits(NamedTuple):
    """The best hits found so far, and a lower bound for the score of a hit.

    Attributes:
        keys: the keys of the hits with their ids, uint64, with room for twice the limit; see
            `keys.py`.
        state: number of hits; best score; the bound ("floor"); whether the first `limit` keys are
            the best of all that were offered. int64, shape (4,).
    """

    keys: NDArray[np.uint64]
    state: NDArray[np.int64]


def room_for(limit: int) -> BestHits:
    """Return a buffer for queries with this limit; `reset` prepares it for each query."""
    return BestHits(np.empty(2 * limit, dtype=np.uint64), np.zeros(4, dtype=np.int64))


@compiled
def reset(best: BestHits, cutoff: Cutoff) -> None:
    """Remove all hits."""
    best.state[:] = 0
    best.state[_FLOOR] = cutoff.min_score


@compiled
def clear(best: BestHits) -> None:
    """Remove all hits, and keep the floor."""
    best.state[_COUNT] = best.state[_BEST] = best.state[_CUT] = 0


@compiled
def lowest_score(score: int, cutoff: Cutoff) -> int:
    """Return the lowest score of a hit if the best score is `score`."""
    return max(cutoff.min_score, score * cutoff.score_pct // 100)


@compiled
def floor_of(best: BestHits) -> int:
    """Return a score that every hit reaches which is not yet in the buffer."""
    return best.state[_FLOOR]


@compiled
def floor_from(best: BestHits, cutoff: Cutoff, document_id: int) -> int:
    """Return a score that every hit with this id or a higher one reaches."""
    floor = best.state[_FLOOR]
    last = best.keys[cutoff.limit - 1]
    # Of documents with equal scores, that with the lower id is the better one.
    if best.state[_CUT] and floor == score_of(last) and document_id > document_of(last):
        return floor + 1
    return floor


@compiled
def raise_floor(best: BestHits, score: int) -> None:
    """Note that every hit has at least this score."""
    best.state[_FLOOR] = max(best.state[_FLOOR], score)


@compiled
def offer(best: BestHits, cutoff: Cutoff, document_id: int, score: int) -> None:
    """Add a hit, unless there are `limit` better ones. The same document is not offered twice."""
    state, keys = best.state, best.keys
    if score < state[_FLOOR]:
        return
    if score > state[_BEST]:
        state[_BEST] = score
        raise_floor(best, lowest_score(score, cutoff))
    key = make_key(score, document_id)
    if state[_CUT] and key > keys[cutoff.limit - 1]:
        return
    keys[state[_COUNT]] = key
    state[_COUNT] += 1
    if state[_COUNT] == keys.size:
        trim(best, cutoff)


@compiled
def trim(best: BestHits, cutoff: Cutoff) -> None:
    """Keep the best `limit` hits. The score of the last one is the new floor."""
    state, keys = best.state, best.keys
    if state[_COUNT] < cutoff.limit or (state[_CUT] and state[_COUNT] == cutoff.limit):
        return
    keys[: state[_COUNT]] = np.sort(keys[: state[_COUNT]])
    state[_COUNT] = cutoff.limit
    state[_CUT] = 1
    raise_floor(best, score_of(keys[cutoff.limit - 1]))


@compiled
def ranked(best: BestHits, cutoff: Cutoff) -> Keys:
    """Return the keys of the query's hits, the best first."""
    keys = np.sort(best.keys[: best.state[_COUNT]])
    lowest = lowest_score(best.state[_BEST], cutoff)
    count = 0
    while count < min(keys.size, cutoff.limit) and score_of(keys[count]) >= lowest:
        count += 1
    return keys[:count]
