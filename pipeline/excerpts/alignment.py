"""Aligns excerpts with recordings and tells how likely chance explains their agreement."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.excerpts.alignment_loops import PIECE, FlatRows, Found, align_pairs
from pipeline.fingerprint.ragged import Ragged, Rows

WORD_SECONDS: Final = 1365 / 11025
"""Seconds between two words: Chromaprint moves its frame of 4096 samples by 1365, at 11025 Hz."""


@dataclass(frozen=True, slots=True, eq=False)
class Alignments:
    offset: NDArray[np.float64]
    duration: NDArray[np.float64]
    matched: NDArray[np.float32]
    speed: NDArray[np.float32]
    log10_chance: NDArray[np.float64]

    def __len__(self) -> int:
        return self.offset.size


def align_batch(queries: Rows, documents: Rows, pairs: tuple[ArrayLike, ArrayLike]) -> Alignments:
    a, b = Ragged.of(queries), Ragged.of(documents)
    rows, others = np.asarray(pairs[0], np.int64), np.asarray(pairs[1], np.int64)
    size = rows.size
    found = Found(
        np.zeros(size), np.zeros(size), np.zeros(size, np.float32), np.ones(size, np.float32), np.zeros(size)
    )
    left, right = a.lengths[rows], b.lengths[others]
    piece = int(min(np.minimum(left, right).max(initial=1), PIECE))
    longest = int(np.maximum(left, right).max(initial=1))
    align_pairs(FlatRows(a.values, a.offsets), FlatRows(b.values, b.offsets), rows, others, piece, longest, found)
    return Alignments(found.offset * WORD_SECONDS, found.duration * WORD_SECONDS, *found[2:])
