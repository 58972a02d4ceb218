"""Histories of an index: commits that insert, repeat, replace and delete documents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index.changes import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.unit.index.search.exactness import Commit, Terms


class Ids(Enum):
    """Which ids the documents have."""

    FROM_ONE = "from one"
    TO_THE_HIGHEST = "to the highest"
    SPREAD = "spread"

    def drawn(self, generator: np.random.Generator, count: int) -> list[int]:
        """Return distinct ids in random order."""
        if self is Ids.FROM_ONE:
            ids = np.arange(1, count + 1)
        elif self is Ids.TO_THE_HIGHEST:
            ids = MAX_ID - np.arange(count)
        else:
            ids = np.array([1, MAX_ID, *generator.choice(MAX_ID - 3, count, replace=False) + 2])
        drawn: list[int] = generator.permutation(ids[:count]).tolist()
        return drawn


@dataclass(frozen=True)
class History:
    """How documents get into an index.

    Attributes:
        seed: the seed of all random choices.
        commits: the number of commits with new documents.
        again: the share of documents that a later commit inserts again, unchanged.
        replaced: the share of documents that a later commit replaces by copies of others.
        deleted: the share of documents that a later commit deletes.
        ids: which ids they have.
    """

    seed: int
    commits: int = 1
    again: float = 0.0
    replaced: float = 0.0
    deleted: float = 0.0
    ids: Ids = Ids.FROM_ONE

    def of(self, documents: Sequence[Terms]) -> list[Commit]:
        """Return the commits."""
        generator = np.random.default_rng((self.seed, 1))
        count = len(documents)
        ids = self.ids.drawn(generator, count)
        by_id = dict(zip(ids, documents, strict=True))
        result: list[Commit] = [
            {id_: by_id[id_] for id_ in ids[place :: self.commits]} for place in range(self.commits)
        ]

        def chosen(share: float) -> list[int]:
            return [id_ for id_ in ids if generator.random() < share]

        result.append({id_: by_id[id_] for id_ in chosen(self.again)})
        result.append(
            {id_: documents[int(generator.integers(count))] for id_ in chosen(self.replaced)}
        )
        result.append(dict.fromkeys(chosen(self.deleted)))
        return result
