"""What the rest of the pipeline knows of an index, whichever engine stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The answer to one query: score descending, then id ascending.

    Attributes:
        ids: fingerprint ids, uint32, shape (n,).
        scores: number of distinct query terms each document holds, int32, shape (n,).
    """

    ids: NDArray[np.uint32]
    scores: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class IndexStats:
    """The size of an index.

    Attributes:
        position: the changelog position it has reached.
        documents: documents a search can find; replaced and deleted ones don't count.
        segments: number of segments.
        bytes: bytes of all segments on the disk.
    """

    position: int
    documents: int
    segments: int
    bytes: int


class FingerprintIndex(Protocol):
    """A searchable index of fingerprints."""

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, any order, duplicates count once.
            limit: most hits a query may have, at least 1.
            min_score: fewest terms a hit must share, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.

        Returns:
            One `Hits` for each query, in the order of `queries`.
        """
        ...

    def position(self) -> int:
        """Return the changelog position that the index has reached."""
        ...

    def stats(self) -> IndexStats:
        """Return the size of the index."""
        ...
