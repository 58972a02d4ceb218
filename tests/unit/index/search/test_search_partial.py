"""What a limit on postings may leave out of an answer, and what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.index.check.shapes import SHAPES, near_copies
from tests.unit.index.model import pairs, terms
from tests.unit.index.search.exactness import LIMITS, searchable
from tests.unit.index.search.histories import History

if TYPE_CHECKING:
    from bench.index.check.brute_force import BruteForceIndex
    from bench.index.check.shapes import Shape
    from pipeline.index import IndexReader
    from tests.unit.index.search.exactness import Commit, Terms


@given(
    shape=st.sampled_from(SHAPES),
    documents=st.sampled_from([5, 50, 300]),
    history=st.builds(
        History,
        seed=st.integers(0, 2**32 - 1),
        commits=st.integers(1, 4),
        again=st.sampled_from([0.0, 0.5]),
        deleted=st.sampled_from([0.0, 0.3]),
    ),
    max_postings=st.sampled_from([1, 10, 100, 1000, 10_000]),
)
@settings(max_examples=40, deadline=None)
def test_a_limited_answer_is_exact_or_partial_with_whole_scores(
    shape: Shape, documents: int, history: History, max_postings: int
) -> None:
    generator = np.random.default_rng((history.seed, 2))
    collection = shape(generator, documents)
    with searchable(history.of(collection.documents)) as (reader, model):
        for query in collection.queries:
            compare_limited(reader, model, query, max_postings)


@pytest.mark.parametrize("max_postings", [200, 2_000, 20_000])
def test_the_first_hit_of_a_limited_search_is_the_same_at_any_limit(max_postings: int) -> None:
    collection = near_copies(np.random.default_rng(7), 600, kept=0.8)
    with searchable([dict(enumerate(collection.documents, 1))]) as (reader, model):
        for query in collection.queries:
            compare_limited(reader, model, query, max_postings)


def test_postings_of_replaced_documents_do_not_count() -> None:
    pair = terms(2, 3)
    commits: list[Commit] = [
        dict.fromkeys(range(1, 101), pair),
        dict.fromkeys(range(1, 100), pair),
        {999: terms(1)},
    ]
    with searchable(commits) as (reader, model):
        [hits] = reader.search([terms(1, 2, 3)], max_postings=201)
        assert not hits.partial
        assert pairs(hits) == model.search(terms(1, 2, 3))
        [hits] = reader.search([terms(1, 2, 3)], max_postings=50)
        assert hits.partial
        assert pairs(hits)[0] == (999, 1)


def compare_limited(
    reader: IndexReader, model: BruteForceIndex, query: Terms, max_postings: int
) -> None:
    """Compare a limited search at any limit with brute force."""
    exact = model.search(query, max(LIMITS), 1, 0)
    scores = dict(exact)
    first = set()
    for limit in LIMITS:
        [hits] = reader.search([query], limit=limit, score_pct=0, max_postings=max_postings)
        answer = pairs(hits)
        first.update(answer[:1])
        assert len(answer) <= limit
        assert answer == sorted(answer, key=lambda hit: (-hit[1], hit[0]))
        assert all(scores[document] == score for document, score in answer)
        if model.postings(query) <= max_postings:
            assert not hits.partial
        if not hits.partial:
            assert answer == exact[:limit]
    assert len(first) <= 1
