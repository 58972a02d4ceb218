"""The interface of an index: the files of this package, or an index on a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.index.changelog_state import Accept, ChangelogState


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The answer to one query: score descending, then id ascending.

    Attributes:
        ids: fingerprint ids, uint32, shape (n,).
        scores: number of distinct query terms that each document contains, int32, shape (n,).
        partial: whether `max_postings` may have left out hits.
        terms: number of distinct terms of the query.
        postings: number of postings that the search read, and of its lookups of a document in the
            postings of a term.
        blocks: number of blocks of 128 upper parts in which the search looked up terms.
    """

    ids: NDArray[np.uint32]
    scores: NDArray[np.int32]
    partial: bool = False
    terms: int = 0
    postings: int = 0
    blocks: int = 0


@dataclass(frozen=True, slots=True)
class IndexStats:
    """The size of an index.

    Attributes:
        position: its changelog position.
        documents: documents searches can find; replaced and deleted ones don't count.
        segments: number of segments.
        bytes: bytes of all segments on the disk.
        min_document_id: the lowest id of a document that searches can find, 0 without any.
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
            limit: maximum number of hits of a query, at least 1.
            min_score: minimum number of terms that a hit shares, at least 1.
            score_pct: hits below floor(best * score_pct / 100) are dropped, 0 to 100.
            max_postings: maximum number of postings that may add documents to a query's answer.
                The rarest terms within this limit add documents. The other terms only raise the
                scores of the best of these documents. None for an exact answer. The answer to a
                query of more than 255 terms is always exact.
            timeout: maximum seconds for the search, None for no limit.

        Returns:
            One `Hits` for each query, in the order of `queries`.

        Raises:
            SearchTimeout: the search exceeded the timeout.
        """
        ...

    def position(self) -> int:
        """Return the changelog position of the index."""
        ...

    def stats(self) -> IndexStats:
        """Return the size of the index."""
        ...


class StatefulIndex(FingerprintIndex, Protocol):
    """An index that stores which part of the changelog it contains."""

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,
        timeout: float | None = None,
        accept: Accept | None = None,
    ) -> list[Hits]:
        """Search as `FingerprintIndex` does, but only a state that `accept` accepts.

        Raises:
            StateRefused: `accept` has returned False.
        """
        ...

    def changelog_state(self, accept: Accept | None = None) -> ChangelogState | None:
        """Return the part of the changelog that the index contains, None if there is no index.

        Raises:
            StateRefused: `accept` has returned False.
        """
        ...
