"""A model of what an index of fingerprints holds, and of what it is asked.

120 distinct 28-bit terms a document (shifted to 32 bits, as query terms are), 30 % of them drawn
from P(r) ~ 1 / (r + 600) over 2**20 ranks (sounds that many recordings share), the rest uniform. A
query is a document with 30 % of its terms replaced by new ones from the same model.
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
RANKS: Final = 1 << 20
RANK_OFFSET: Final = 600.0
TERM_BITS: Final = 28
BLOCK: Final = 1000
"""Documents are drawn so many at a time; those of a block depend on its number alone."""


@dataclass(frozen=True)
class Model:
    """Draws documents and queries; document n is the same however often it is asked for.

    Attributes:
        seed: of all that is drawn.
    """

    seed: int = 1

    def inserts(self, documents: int, size: int, first: int = 0) -> Iterator[list[Insert]]:
        """Yield the documents from `first` to before `documents`, `size` at a time, ids from 1."""
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
        """Draw queries of an index.

        Args:
            documents: how many documents it holds.
            count: how many queries.

        Returns:
            The ids they are made of and their terms. A few are from the same block, since a block
            takes as long to draw as all of its documents; nothing else is common to those.
        """
        generator = np.random.default_rng((self.seed, 1))
        starts = generator.integers(0, documents, -(-count // 20))
        numbers = np.repeat(starts // BLOCK * BLOCK, 20)[:count]
        numbers += generator.integers(0, np.minimum(BLOCK, documents - numbers))
        chosen = np.concatenate([self.documents(each, each + 1) for each in numbers.tolist()])
        kept = generator.permuted(chosen, axis=1)[:, REPLACED:]
        queries = np.hstack([kept, self.draw(generator, count, REPLACED)])
        return (numbers + 1).tolist(), list(queries)

    def draw(self, generator: np.random.Generator, rows: int, count: int) -> Terms:
        """Draw terms, in no order and some perhaps twice, uint32, shape (rows, count)."""
        common = round(COMMON_SHARE * count)
        table, cumulative = self._common
        ranks = np.searchsorted(cumulative, generator.random((rows, common)))
        uniform = generator.integers(0, 1 << TERM_BITS, (rows, count - common), dtype=np.uint32)
        return np.hstack([table[ranks], uniform << np.uint32(32 - TERM_BITS)])

    @cached_property
    def _common(self) -> tuple[Terms, NDArray[np.float64]]:
        """The common terms by rank, and the share of draws up to each."""
        generator = np.random.default_rng(self.seed)
        terms = generator.choice(1 << TERM_BITS, size=RANKS, replace=False).astype(np.uint32)
        weights = np.cumsum(1.0 / (np.arange(RANKS) + RANK_OFFSET))
        return terms << np.uint32(32 - TERM_BITS), weights / weights[-1]


@lru_cache(maxsize=1)
def _block(model: Model, number: int) -> Terms:
    """Draw a block of documents, each with distinct terms; one with a repeated term is redrawn."""
    generator = np.random.default_rng((model.seed, 0, number))
    terms = model.draw(generator, BLOCK, TERMS)
    again = np.arange(BLOCK)
    while again.size:
        terms[again] = np.sort(terms[again], axis=1)
        repeats = (terms[again, 1:] == terms[again, :-1]).any(axis=1)
        again = again[repeats]
        terms[again] = model.draw(generator, again.size, TERMS)
    return terms
