"""A model of the documents of an index and of its queries.

A document has 120 distinct 28-bit terms, shifted to 32 bits like query terms. 30 % of them have the
distribution P(r) ~ 1 / (r + 600) over 2**20 ranks, like sounds that many recordings share. The
others are uniform. A query is a document with 30 % of its terms replaced by new terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.index import Insert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Terms = NDArray[np.uint32]

TERMS: Final = 120
COMMON_SHARE: Final = 0.3
REPLACED: Final = round(0.3 * TERMS)
COPY_REPLACED: Final = round(0.2 * TERMS)
RANKS: Final = 1 << 20
RANK_OFFSET: Final = 600.0
TERM_BITS: Final = 28
BLOCK: Final = 1000
"""Number of documents drawn together. A block depends only on its number and the seed."""


@dataclass(frozen=True)
class Model:
    """Draws documents and queries. The same arguments give the same result.

    Attributes:
        seed: the seed of the random data.
    """

    seed: int = 1

    def inserts(self, documents: int, size: int, first: int = 0) -> Iterator[list[Insert]]:
        """Yield documents `first` to `documents` - 1, `size` at a time. Document n has id n + 1."""
        for start in range(first, documents, size):
            rows = self.documents(start, min(start + size, documents))
            yield [Insert(start + place + 1, terms) for place, terms in enumerate(rows)]

    def documents(self, first: int, last: int) -> Terms:
        """Return the terms of documents, uint32, shape (last - first, `TERMS`)."""
        parts = []
        while first < last:
            number, skipped = divmod(first, BLOCK)
            parts.append(_block(self, number)[skipped : skipped + last - first])
            first += parts[-1].shape[0]
        return np.concatenate(parts)

    def queries(self, documents: int, count: int) -> tuple[list[int], list[Terms]]:
        """Draw queries for an index.

        Args:
            documents: the number of documents in the index.
            count: the number of queries.

        Returns:
            The id of the document of each query, and the terms of each query. Up to 20 queries use
            documents of one block, because drawing a document takes as long as drawing its block.
        """
        generator = np.random.default_rng((self.seed, 1))
        starts = generator.integers(0, documents, -(-count // 20))
        numbers = np.repeat(starts // BLOCK * BLOCK, 20)[:count]
        numbers += generator.integers(0, np.minimum(BLOCK, documents - numbers))
        chosen = np.concatenate([self.documents(each, each + 1) for each in numbers.tolist()])
        kept = generator.permuted(chosen, axis=1)[:, REPLACED:]
        queries = np.hstack([kept, self.draw(generator, count, REPLACED)])
        return (numbers + 1).tolist(), list(queries)

    def unknown_queries(self, count: int) -> list[Terms]:
        """Draw queries of recordings that no index has: all terms are drawn anew."""
        generator = np.random.default_rng((self.seed, 2))
        return list(self.draw(generator, count, TERMS))

    def copies(self, count: int) -> Terms:
        """Draw near copies of one recording, uint32, shape (count, `TERMS`).

        Each has 80 % of the recording's terms; the others are drawn anew. Fewer copies are the
        first ones of more copies.
        """
        [recording] = self.draw(np.random.default_rng((self.seed, 3)), 1, TERMS)
        parts = []
        for block in range(-(-count // BLOCK)):
            generator = np.random.default_rng((self.seed, 4, block))
            rows = generator.permuted(np.tile(recording, (BLOCK, 1)), axis=1)
            rows[:, :COPY_REPLACED] = self.draw(generator, BLOCK, COPY_REPLACED)
            parts.append(rows)
        return np.concatenate(parts)[:count]

    def draw(self, generator: np.random.Generator, rows: int, count: int) -> Terms:
        """Draw terms, unsorted and possibly repeated, uint32, shape (rows, count)."""
        common = round(COMMON_SHARE * count)
        table, cumulative = self.common_terms
        ranks = np.searchsorted(cumulative, generator.random((rows, common)))
        uniform = generator.integers(0, 1 << TERM_BITS, (rows, count - common), dtype=np.uint32)
        return np.hstack([table[ranks], uniform << np.uint32(32 - TERM_BITS)])

    @cached_property
    def common_terms(self) -> tuple[Terms, NDArray[np.float64]]:
        """The common terms by rank, and the cumulative distribution of the ranks."""
        generator = np.random.default_rng(self.seed)
        terms = generator.choice(1 << TERM_BITS, size=RANKS, replace=False).astype(np.uint32)
        weights = np.cumsum(1.0 / (np.arange(RANKS) + RANK_OFFSET))
        return terms << np.uint32(32 - TERM_BITS), weights / weights[-1]


@lru_cache(maxsize=1)
def _block(model: Model, number: int) -> Terms:
    """Draw a block of documents. Redraw documents that have a term twice."""
    generator = np.random.default_rng((model.seed, 0, number))
    terms = model.draw(generator, BLOCK, TERMS)
    again = np.arange(BLOCK)
    while again.size:
        terms[again] = np.sort(terms[again], axis=1)
        repeats = (terms[again, 1:] == terms[again, :-1]).any(axis=1)
        again = again[repeats]
        terms[again] = model.draw(generator, again.size, TERMS)
    return terms
