"""The interface of an index: the files of this package, or an index on a server."""

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
        min_document_id: the lowest id of a document that a search can find, 0 without any.
        max_document_id: the highest.
    """

    position: int
    documents: int
    segments: int
    bytes: int
    min_document_id: int = 0
    max_document_id: int = 0


class FingerprintIndex(Protocol):
    """A searchable index of fingerprints."""

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,
        timeout: float | None = None,
    ) -> list[Hits]:
        """Find the documents that share the most terms with each query.

        Args:
            queries: terms of each query, uint32, any order, duplicates count once.
            limit: most hits a query may have, at least 1.
            min_score: fewest terms a hit must share, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: most postings that may bring documents into a query's answer. Terms are
                taken from the rarest up; those beyond only add to the scores of the best that
                rarer ones brought in. None for an exact answer.
            timeout: seconds that the search may take, None for no limit.

        Returns:
            One `Hits` for each query, in the order of `queries`.

        Raises:
            SearchTimeout: the search was not done in time.
        """
        ...

    def position(self) -> int:
        """Return the changelog position that the index has reached."""
        ...

    def stats(self) -> IndexStats:
        """Return the size of the index."""
        ...
