"""Searches with a limit on postings: which documents they find, and that the scores are exact."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.index import Delete, Insert, open_reader, open_writer
from pipeline.index.search.limited_answer import MOST_COMPLETED
from tests.unit.index.model import answer, pairs, terms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.index.model import Documents

LIMIT = 40
DOCUMENTS = 80
assert DOCUMENTS <= MOST_COMPLETED  # so the scores of all candidates are completed


def brought(documents: Documents, query: list[int], max_postings: int) -> set[int]:
    """Return the terms of a query that bring in documents: the rarest, one at least."""
    held = Counter(term for document in documents.values() for term in document)
    order = sorted(set(query), key=lambda term: (held[term], term))
    chosen: set[int] = set()
    for term in order:
        max_postings -= held[term]
        if max_postings >= 0 or not any(held[each] for each in chosen):
            chosen.add(term)
    return chosen


@pytest.mark.parametrize("max_postings", [1, 20, 60, 150, 400])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bits", [6, 10, 26])
def test_documents_with_a_rare_term_get_their_whole_score(
    path: Path, max_postings: int, seed: int, bits: int
) -> None:
    random = np.random.default_rng([seed, max_postings, bits])
    common = random.integers(0, 2**bits, 12, dtype=np.uint32) << np.uint32(2)
    documents: Documents = {}
    changes = []
    for number in range(1, DOCUMENTS + 1):
        own = random.integers(0, 2**bits, 6, dtype=np.uint32) << np.uint32(2)
        held = np.unique(np.concatenate([own, random.choice(common, 5)]))
        documents[number] = frozenset(held.tolist())
        changes.append(Insert(number, held))
    with open_writer(path, merge_in_background=False) as writer:
        for first in range(0, DOCUMENTS, 20):
            writer.apply(changes[first : first + 20], first + 1)
    asked = [documents[1], documents[DOCUMENTS // 2], frozenset(common.tolist())]
    queries = [sorted(document | documents[7]) for document in asked]
    with open_reader(path) as reader:
        assert reader.stats().segments > 1
        found = reader.search(
            [terms(*query) for query in queries], limit=LIMIT, max_postings=max_postings
        )
    for query, hits in zip(queries, found, strict=True):
        chosen = brought(documents, query, max_postings)
        candidates = {id_: held for id_, held in documents.items() if held & chosen}
        assert pairs(hits) == answer(candidates, query, limit=LIMIT)


def test_long_lists_are_searched_for_the_candidates(path: Path) -> None:
    """Every second document of many has a term; the candidates lie unevenly among them."""
    size = 3000
    with open_writer(path, merge_in_background=False) as writer:
        changes = [
            Insert(n, terms(16, *[32] * (n % 2), *[48] * (n > 2500), *[64] * (n % 100 == 0)))
            for n in range(1, size + 1)
        ]
        writer.apply(changes, 1)
        writer.apply([Delete(2600), Insert(2700, terms(64))], 2)
    with open_reader(path) as reader:
        [hits] = reader.search([terms(16, 32, 48, 64)], max_postings=40, score_pct=0)
    expected = {n: 2 + (n > 2500) for n in range(100, size + 1, 100)} | {2700: 1}
    del expected[2600]
    assert pairs(hits) == sorted(expected.items(), key=lambda hit: (-hit[1], hit[0]))
