"""Fingerprints on their way into a segment and out of one."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.fingerprint.words import Words


@dataclass(frozen=True, slots=True)
class StoreRow:
    """A fingerprint of the store.

    Attributes:
        length: seconds of audio.
        gid: 16 bytes that follow from the words: who knows the gid knows whether they are right.
        words: uint32[n], read-only.
    """

    length: int
    gid: bytes
    words: Words


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Fingerprints by ascending id, column by column.

    Attributes:
        ids: uint32[n], distinct.
        lengths: uint32[n], seconds.
        gids: V16[n].
        words: uint32[...] each, n of them.
    """

    ids: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    gids: NDArray[np.void]
    words: list[Words]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, StoreRow]]) -> "Columns":
        """Lay out rows, of which each id occurs once, in any order."""
        ordered = sorted(rows, key=lambda each: each[0])
        return cls(
            ids=np.array([key for key, _ in ordered], np.uint32),
            lengths=np.array([row.length for _, row in ordered], np.uint32),
            gids=np.frombuffer(b"".join(row.gid for _, row in ordered), "V16"),
            words=[row.words for _, row in ordered],
        )
