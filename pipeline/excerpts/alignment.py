"""Aligns excerpts with recordings by comparing their words."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.fingerprint.ragged import Ragged, Rows
from pipeline.fingerprint.words import Words

WORD_SECONDS = 4096 / 3 / 11025
"""Seconds of audio between two words."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignments:
    """The best alignment of each pair of a query and a recording.

    Attributes:
        offset: float64[n], seconds: place in the recording of the query's first word.
        duration: float64[n], seconds of the query that are aligned.
        matched: float32[n], share of equal bits in them.
        speed: float32[n], how many times as fast as the recording the query is.
        log10_chance: float64[n], log10 of the probability that unrelated music agrees as well.
    """

    offset: NDArray[np.float64]
    duration: NDArray[np.float64]
    matched: NDArray[np.float32]
    speed: NDArray[np.float32]
    log10_chance: NDArray[np.float64]


def align_batch(queries: Rows, documents: Rows, pairs: tuple[ArrayLike, ArrayLike]) -> Alignments:
    """Align many pairs; `pairs` has the row numbers of queries and of documents."""
    left, right = Ragged.of(queries), Ragged.of(documents)
    rows = [
        _align(left[int(query)], right[int(document)])
        for query, document in zip(*map(np.asarray, pairs), strict=True)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Alignments(
        table[:, 0],
        table[:, 1],
        table[:, 2].astype(np.float32),
        np.ones(len(rows), np.float32),
        table[:, 3],
    )


def _align(query: Words, document: Words) -> tuple[float, float, float, float]:
    best = (0.0, 0.0, 0.0, 0.0)
    for offset in range(1 - query.size, document.size):
        first, last = max(0, -offset), min(query.size, document.size - offset)
        if last - first < min(query.size, 40) // 2:
            continue
        other = document[first + offset : last + offset]
        bits = np.bitwise_count(query[first:last] ^ other).sum()
        matched = 1 - bits / (32 * (last - first))
        chance = min(0.0, -((matched - 0.5) ** 2) * (last - first) * 4)
        if chance < best[3]:
            best = (offset * WORD_SECONDS, (last - first) * WORD_SECONDS, matched, chance)
    return best
