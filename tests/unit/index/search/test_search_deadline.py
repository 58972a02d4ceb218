"""A search ends soon after its deadline, and never with a short answer.

The bounds are on CPU time, because another process may delay the elapsed time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from bench.index.check.shapes import new_terms
from pipeline.index import Insert, SearchTimeout, open_reader, open_writer
from tests.unit.index.model import pairs, terms
from tests.unit.index.search.exactness import searchable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bench.index.check.brute_force import Answer, BruteForceIndex
    from pipeline.index import IndexReader
    from tests.unit.index.search.exactness import Terms

DOCUMENTS = 30_000
TERMS = 120
TIMEOUT = 0.001
CPU_BOUND = 0.15
"""Maximum CPU seconds of a search with `TIMEOUT`: generous, for slow and busy machines."""


class Heavy(NamedTuple):
    """An index of 3.6 million postings, and a query of all its terms."""

    reader: IndexReader
    model: BruteForceIndex
    query: Terms


@pytest.fixture(scope="module")
def heavy() -> Iterator[Heavy]:
    """Documents that all have the same terms, in two segments."""
    query = new_terms(np.random.default_rng(1), TERMS)
    halves = np.array_split(np.arange(1, DOCUMENTS + 1), 2)
    with searchable([dict.fromkeys(half.tolist(), query) for half in halves]) as (reader, model):
        reader.search([terms(1)])  # loads compiled code
        yield Heavy(reader, model, query)


def search(reader: IndexReader, queries: Sequence[Terms], timeout: float) -> list[Answer] | None:
    """Return the answers, None after `SearchTimeout`. The time after the deadline is bounded."""
    start = time.thread_time()
    try:
        return [pairs(hits) for hits in reader.search(queries, timeout=timeout)]
    except SearchTimeout:
        return None
    finally:
        assert time.thread_time() - start < timeout + CPU_BOUND


def test_one_heavy_query_ends_at_its_deadline(heavy: Heavy) -> None:
    right = heavy.model.search(heavy.query)
    for _ in range(3):
        assert search(heavy.reader, [heavy.query], TIMEOUT) in (None, [right])


def test_a_batch_of_heavy_queries_ends_at_its_deadline(heavy: Heavy) -> None:
    assert search(heavy.reader, [heavy.query] * 64, TIMEOUT) is None


def test_a_query_of_three_million_terms_ends_at_its_deadline(heavy: Heavy) -> None:
    generator = np.random.default_rng(2)
    query = generator.integers(0, 2**32, 3_000_000, dtype=np.uint32)
    query[::30_000] = heavy.query[:100]
    right = heavy.model.search(terms(*(term for term in heavy.query if (query == term).any())))
    for _ in range(3):
        assert search(heavy.reader, [query], TIMEOUT) in (None, [right])


def test_a_batch_of_many_short_queries_ends_at_its_deadline(heavy: Heavy) -> None:
    queries = [terms(1, 2, 3)] * 20_000
    assert search(heavy.reader, queries, TIMEOUT) in (None, [[]] * len(queries))


def test_an_answer_within_the_deadline_is_complete(heavy: Heavy) -> None:
    queries = [heavy.query[: TERMS // part] for part in (1, 2, 4, 40, 120)]
    right = [heavy.model.search(query) for query in queries]
    for timeout in (0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1):
        for query, answer in zip(queries, right, strict=True):
            assert search(heavy.reader, [query], timeout) in (None, [answer])
        assert search(heavy.reader, queries, timeout) in (None, right)
    hits = heavy.reader.search(queries, timeout=600)
    assert [pairs(each) for each in hits] == right


def test_a_limited_search_within_the_deadline_is_complete(heavy: Heavy) -> None:
    [whole] = heavy.reader.search([heavy.query], max_postings=100_000)
    for timeout in (0.0001, 0.001, 0.01, 0.1):
        start = time.thread_time()
        try:
            [hits] = heavy.reader.search([heavy.query], max_postings=100_000, timeout=timeout)
        except SearchTimeout:
            assert time.thread_time() - start < timeout + CPU_BOUND
        else:
            assert pairs(hits) == pairs(whole)
            assert hits.partial == whole.partial


@pytest.mark.parametrize("score_pct", [50, 100])
def test_a_document_of_very_many_terms_is_found_in_little_time(path: Path, score_pct: int) -> None:
    query = np.arange(65_536, dtype=np.uint32)
    with open_writer(path) as writer:
        writer.apply([Insert(1, query)], 1)
    with open_reader(path) as reader:
        reader.search([query])  # loads compiled code
        start = time.thread_time()
        [hits] = reader.search([query], score_pct=score_pct, timeout=60)
        assert time.thread_time() - start < CPU_BOUND
    assert pairs(hits) == [(1, query.size)]
