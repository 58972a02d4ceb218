"""Searches without `max_postings` equal brute force: ids and scores, in order, at any limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.index.check.shapes import (
    SHAPES,
    common_terms,
    long_documents,
    near_copies,
    two_groups,
    varied,
    zipf,
)
from pipeline.index.changes import MAX_ID
from tests.unit.index.model import pairs, terms
from tests.unit.index.search.exactness import (
    assert_exact,
    assert_exact_at_any_limit,
    searchable,
)
from tests.unit.index.search.histories import History, Ids

if TYPE_CHECKING:
    from bench.index.check.shapes import Shape
    from tests.unit.index.search.exactness import Commit

SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
LIMITS = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([1, 10, 40, 100, 100_000]) | st.integers(1, 500),
        "min_score": st.sampled_from([1, 2]) | st.integers(1, 200),
        "score_pct": st.sampled_from([0, 10, 100]) | st.integers(0, 100),
    }
)
HISTORIES = st.builds(
    History,
    seed=SEEDS,
    commits=st.integers(1, 12),
    again=SHARES,
    replaced=SHARES,
    deleted=SHARES,
    ids=st.sampled_from(Ids),
)
HEAVY_SHAPES = (near_copies, two_groups, zipf)
TERMS = st.lists(st.integers(0, 12) | st.just(2**32 - 1), max_size=16).map(
    lambda values: terms(*values)
)
COMMITS = st.lists(
    st.dictionaries(st.integers(1, 30) | st.just(MAX_ID), st.none() | TERMS, max_size=20),
    min_size=1,
    max_size=6,
)


@given(
    shape=st.sampled_from(SHAPES),
    documents=st.sampled_from([1, 2, 20, 120]),
    history=HISTORIES,
    background=st.booleans(),
    limits=st.lists(LIMITS, min_size=1, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_searches_of_each_shape_are_exact(
    shape: Shape,
    documents: int,
    history: History,
    background: bool,
    limits: list[dict[str, int]],
) -> None:
    compare_shape(shape, documents, history, limits, background=background)


@given(
    shape=st.sampled_from(HEAVY_SHAPES),
    documents=st.sampled_from([600, 1500, 2500]),
    history=st.builds(History, seed=SEEDS, commits=st.integers(1, 3), again=SHARES),
    limits=st.lists(LIMITS, min_size=1, max_size=3),
)
@settings(max_examples=15, deadline=None)
def test_searches_of_many_postings_are_exact(
    shape: Shape, documents: int, history: History, limits: list[dict[str, int]]
) -> None:
    compare_shape(shape, documents, history, limits)


@given(commits=COMMITS, queries=st.lists(TERMS, min_size=1, max_size=5), limits=LIMITS)
@settings(max_examples=100, deadline=None)
def test_searches_of_any_small_index_are_exact(
    commits: list[Commit], queries: list[Any], limits: dict[str, int]
) -> None:
    with searchable(commits) as (reader, model):
        assert_exact(reader, model, queries, **limits)


@pytest.mark.parametrize("documents", [1, 63, 1_000, 4_000])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_searches_of_larger_indexes_are_exact(shape: Shape, documents: int) -> None:
    generator = np.random.default_rng((documents, 3))
    collection = shape(generator, documents)
    history = History(documents, commits=3, again=0.2, replaced=0.1, deleted=0.05, ids=Ids.SPREAD)
    with searchable(history.of(collection.documents)) as (reader, model):
        for query in collection.queries:
            assert_exact_at_any_limit(reader, model, query)
            assert_exact_at_any_limit(reader, model, query, min_score=2, score_pct=0)
            assert_exact(reader, model, [varied(generator, query)], min_score=5, score_pct=60)


@pytest.mark.parametrize(
    "shape",
    [partial(near_copies, terms=30), common_terms, zipf, long_documents],
    ids=["near_copies", "common_terms", "zipf", "long_documents"],
)
def test_searches_of_a_segment_of_40000_documents_are_exact(shape: Shape) -> None:
    """A search counts the terms of 32,768 documents of a segment at a time."""
    generator = np.random.default_rng(4)
    collection = shape(generator, 40_000)
    history = History(4, again=0.05, replaced=0.05)
    with searchable(history.of(collection.documents)) as (reader, model):
        for query in collection.queries[:2]:
            assert_exact_at_any_limit(reader, model, query)


def test_searches_during_merges_are_exact() -> None:
    generator = np.random.default_rng(5)
    collection = near_copies(generator, 3_000)
    history = History(5, commits=60, again=0.9)
    with searchable(history.of(collection.documents), background=True) as (reader, model):
        for _ in range(10):
            assert_exact(reader, model, collection.queries, limit=100)


def test_searches_in_several_threads_are_exact() -> None:
    generator = np.random.default_rng(6)
    collections = [shape(generator, 800) for shape in (near_copies, zipf, common_terms)]
    documents = [row for collection in collections for row in collection.documents]
    queries = [query for collection in collections for query in collection.queries]
    with searchable(History(6, commits=3, again=0.3).of(documents)) as (reader, model):
        right = [model.search(query) for query in queries]

        def search(place: int) -> bool:
            [hits] = reader.search([queries[place % len(queries)]])
            return pairs(hits) == right[place % len(queries)]

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(search, range(20 * len(queries))))


def compare_shape(
    shape: Shape,
    documents: int,
    history: History,
    limits: list[dict[str, int]],
    *,
    background: bool = False,
) -> None:
    """Build an index of documents of one shape, and compare its answers with brute force."""
    generator = np.random.default_rng((history.seed, 2))
    collection = shape(generator, documents)
    queries = collection.queries + [varied(generator, query) for query in collection.queries]
    commits = history.of(collection.documents)
    with searchable(commits, background=background) as (reader, model):
        for each in limits:
            assert_exact(reader, model, queries, **each)
