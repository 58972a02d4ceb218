"""Fingerprints of the store as rows and as columns."""

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
        track_id: the number of its track.
        track_gid: the 16 bytes of its track's public id.
        words: uint32[n], read-only; all or the first ones, as the reader asked for.
    """

    length: int
    track_id: int
    track_gid: bytes
    words: Words


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Fingerprints by ascending id, column by column.

    Attributes:
        ids: uint32[n], distinct.
        lengths: uint32[n], seconds.
        track_ids: uint32[n].
        track_gids: V16[n].
        words: uint32[...] each, n of them.
    """

    ids: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    track_ids: NDArray[np.uint32]
    track_gids: NDArray[np.void]
    words: list[Words]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, StoreRow]]) -> "Columns":
        """Make columns of rows in any order; each id occurs once."""
        ordered = sorted(rows, key=lambda each: each[0])
        return cls(
            ids=np.array([key for key, _ in ordered], np.uint32),
            lengths=np.array([row.length for _, row in ordered], np.uint32),
            track_ids=np.array([row.track_id for _, row in ordered], np.uint32),
            track_gids=np.frombuffer(b"".join(row.track_gid for _, row in ordered), "V16"),
            words=[row.words for _, row in ordered],
        )
