"""The expected state of one served index, and random changes and searches for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from bench.index.check.brute_force import Answer, BruteForceIndex
from bench.index.check.shapes import SHAPES, varied

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

    from bench.index.check.shapes import Collection

    Terms = NDArray[np.uint32]

Changes: TypeAlias = "list[tuple[int, Terms | None]]"
"""The id of each document and its new terms, None for a deletion."""

Value = TypeVar("Value")

MAX_LIMIT: Final = 100  # the highest limit that the server uses
HIGHEST_ID: Final = 2**32 - 1
_END_IDS: Final = 0.04  # share of the lowest and the highest id among the ids
_DELETED: Final = 0.15  # share of deletions among changes
_REPEATED: Final = 0.3  # share of documents that are inserted again, unchanged


@dataclass(frozen=True)
class Search:
    """A search request.

    Attributes:
        query: the terms.
        limit: the limit in the request, 1 or more.
        min_score: the minimum score; None for the server's default.
        score_pct: the percentage of the best score.
    """

    query: Terms
    limit: int
    min_score: int | None
    score_pct: int

    def body(self) -> dict[str, object]:
        """Return the body of the request, without a time limit."""
        body = {"q": self.query.tolist(), "t": 0, "l": self.limit, "s": self.score_pct}
        return body if self.min_score is None else {**body, "m": self.min_score}


@dataclass
class ExpectedIndex:
    """The expected state of an index.

    Attributes:
        pool: the documents that may be inserted, and queries that fit them.
        content: the current documents.
        version: the version of the last update.
        metadata: the metadata.
        generation: the generation.
    """

    pool: Collection
    content: BruteForceIndex = field(default_factory=BruteForceIndex)
    version: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    generation: int = 0

    def first_changes(self) -> Changes:
        """Return the insertion of all documents of the pool."""
        return list(enumerate(self.pool.documents, 1))

    def draw_changes(self, generator: Generator, most: int) -> Changes:
        """Draw 1 to `most` insertions, replacements and deletions."""
        return [self._draw_change(generator) for _ in range(generator.integers(1, most + 1))]

    def draw_id(self, generator: Generator) -> int:
        """Draw the id of a document that may exist."""
        if generator.random() < _END_IDS:
            return 1 if generator.random() < 0.5 else HIGHEST_ID
        return int(generator.integers(1, 2 * len(self.pool.documents) + 1))

    def draw_search(self, generator: Generator) -> Search:
        """Draw a query and its limits."""
        kind = generator.random()
        if kind < 0.4 and self.content.documents:
            query = self._draw_document(generator)
        else:
            query = self.pool.queries[int(generator.integers(len(self.pool.queries)))]
        if kind > 0.3:
            query = varied(generator, query)
        return Search(
            query,
            limit=_drawn(generator, (1, 2, 10, 40, 100, 500, int(generator.integers(1, 101)))),
            min_score=_drawn(generator, (None, 1, 2, int(generator.integers(1, 130)))),
            score_pct=_drawn(generator, (0, 10, 100, int(generator.integers(0, 101)))),
        )

    def answer(self, search: Search) -> Answer:
        """Return the right answer, with the limits of the server."""
        default = -(-search.query.size // 20)
        min_score = default if search.min_score is None else search.min_score
        return self.content.search(
            search.query, min(search.limit, MAX_LIMIT), max(1, min_score), search.score_pct
        )

    def stats(self) -> dict[str, int]:
        """Return number, lowest and highest id of the documents, as the server names them."""
        ids = self.content.documents
        return {
            "num_docs": len(ids),
            "min_doc_id": min(ids, default=0),
            "max_doc_id": max(ids, default=0),
        }

    def _draw_change(self, generator: Generator) -> tuple[int, Terms | None]:
        document = self.draw_id(generator)
        kind = generator.random()
        if kind < _DELETED:
            return document, None
        if kind < _DELETED + _REPEATED and document in self.content.documents:
            return document, self.content.documents[document]
        place = int(generator.integers(len(self.pool.documents)))
        return document, self.pool.documents[place]

    def _draw_document(self, generator: Generator) -> Terms:
        ids = list(self.content.documents)
        return self.content.documents[ids[int(generator.integers(len(ids)))]]


def draw_index(generator: Generator, documents: int) -> ExpectedIndex:
    """Draw the pool of a new index: one of the shapes, with at most this many documents.

    A third of the pools have the highest number of documents.
    """
    shape = SHAPES[int(generator.integers(len(SHAPES)))]
    counts = [documents, int(generator.integers(1, documents + 1)), min(documents, 30)]
    return ExpectedIndex(shape(generator, counts[int(generator.integers(3))]))


def changes_body(changes: Changes) -> list[dict[str, object]]:
    """Return changes as the field ``changes`` of an update."""
    return [
        {"d": {"i": document}} if terms is None else {"i": {"i": document, "h": terms.tolist()}}
        for document, terms in changes
    ]


def _drawn(generator: Generator, values: Sequence[Value]) -> Value:
    return values[int(generator.integers(len(values)))]
