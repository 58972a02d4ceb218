"""A brute-force model of an index: it counts the terms of every document.

It uses no code of the engine. A search costs about 10 ns per posting of the query's terms, so
models of some million postings are practical.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Terms = NDArray[np.uint32]

Answer: TypeAlias = list[tuple[int, int]]
"""(id, score) of each hit: score descending, then id ascending."""


class BruteForceIndex:
    """The documents of an index, and the right answer to each search.

    Attributes:
        documents: the distinct terms of each document, uint32, by id.
    """

    def __init__(self, documents: Mapping[int, Terms] | None = None) -> None:
        self.documents: dict[int, Terms] = {}
        self._ids: Terms | None = None
        self._terms: Terms = np.empty(0, dtype=np.uint32)
        self._holders: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.apply((documents or {}).items())

    def apply(self, changes: Iterable[tuple[int, Terms | None]]) -> None:
        """Insert or replace documents, or delete those with None; the last change of an id wins."""
        for document, terms in changes:
            if terms is None:
                self.documents.pop(document, None)
            else:
                self.documents[document] = np.unique(terms)
        self._ids = None

    def copy(self) -> BruteForceIndex:
        """Return a second model with the same documents."""
        copy = BruteForceIndex()
        copy.documents = dict(self.documents)
        return copy

    def search(
        self, query: Terms, limit: int = 40, min_score: int = 1, score_pct: int = 10
    ) -> Answer:
        """Return the hits of an exact search; the arguments are those of `IndexReader.search`."""
        ids = self._collected()
        wanted = np.unique(query)
        starts = np.searchsorted(self._terms, wanted, side="left")
        lengths = np.searchsorted(self._terms, wanted, side="right") - starts
        # The places of all postings: from 0 for each term, plus the start of the term.
        places = np.arange(lengths.sum()) + np.repeat(starts + lengths - lengths.cumsum(), lengths)
        scores = np.bincount(self._holders[places], minlength=ids.size)
        floor = max(min_score, int(scores.max(initial=0)) * score_pct // 100)
        [found] = np.nonzero(scores >= floor)
        best = found[np.argsort(-scores[found], kind="stable")][:limit]
        return list(zip(ids[best].tolist(), scores[best].tolist(), strict=True))

    def postings(self, query: Terms) -> int:
        """Return the number of postings of the query's terms."""
        self._collected()
        wanted = np.unique(query)
        ends = np.searchsorted(self._terms, wanted, side="right")
        return int((ends - np.searchsorted(self._terms, wanted, side="left")).sum())

    def _collected(self) -> Terms:
        """Sort all postings by term, if the documents have changed. Return the sorted ids."""
        if self._ids is None:
            self._ids = np.array(sorted(self.documents), dtype=np.uint32)
            rows = [self.documents[document] for document in self._ids.tolist()]
            terms = np.concatenate([self._terms[:0], *rows])
            holders = np.repeat(np.arange(len(rows)), [row.size for row in rows])
            order = np.argsort(terms, kind="stable")
            self._terms, self._holders = terms[order], holders[order]
        return self._ids
