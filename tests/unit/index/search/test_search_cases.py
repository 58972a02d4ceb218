"""Searches that a limit on postings answers wrongly: each must be exact without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.index.check.shapes import copy_of, near_copies, new_terms
from tests.unit.index.model import terms
from tests.unit.index.search.exactness import (
    assert_exact,
    assert_exact_at_any_limit,
    searchable,
)

if TYPE_CHECKING:
    from tests.unit.index.search.exactness import Commit, Terms


def test_84_copies_of_a_recording_do_not_hide_each_other() -> None:
    recording = terms(*range(1, 121))
    commit: dict[int, Terms | None] = {1: recording}
    for id_ in range(2, 86):
        commit[id_] = terms(*range(1, 119), 1000 * id_, 1000 * id_ + 1)
    with searchable([commit]) as (reader, model):
        [answer] = assert_exact(reader, model, [recording])
        assert answer == [(1, 120), *((id_, 118) for id_ in range(2, 41))]
        assert_exact_at_any_limit(reader, model, recording)


def test_a_rare_term_does_not_hide_10000_documents_with_a_higher_score() -> None:
    pair = terms(2, 3)
    commit: Commit = {1: terms(1), **dict.fromkeys(range(2, 10_002), pair)}
    with searchable([commit]) as (reader, model):
        answer = assert_exact_at_any_limit(reader, model, terms(1, 2, 3))
        assert answer[:40] == [(id_, 2) for id_ in range(2, 42)]


@pytest.mark.parametrize("seed", range(3))
def test_the_document_with_a_whole_group_comes_first(seed: int) -> None:
    generator = np.random.default_rng(seed)
    first, second = np.split(new_terms(generator, 120), 2)
    groups = [first] * 480 + [second] * 510
    commit: dict[int, Terms | None] = {
        id_: generator.choice(group, 20, replace=False) for id_, group in enumerate(groups, 1)
    }
    commit[5000] = second
    with searchable([commit]) as (reader, model):
        query = np.concatenate([first, second])
        assert assert_exact_at_any_limit(reader, model, query)[0] == (5000, 60)


def test_a_query_of_two_long_documents_finds_both() -> None:
    commit: Commit = {1: terms(*range(1, 10_001)), 2: terms(*range(10_001, 30_002))}
    with searchable([commit]) as (reader, model):
        answer = assert_exact_at_any_limit(reader, model, terms(*range(1, 30_002)))
        assert answer == [(2, 20_001), (1, 10_000)]


def test_replaced_postings_do_not_hide_documents() -> None:
    pair = terms(2, 3)
    commits: list[Commit] = [
        dict.fromkeys(range(1, 5101), pair),
        dict.fromkeys(range(1, 5000), pair),
        {99_999: terms(1)},
    ]
    with searchable(commits) as (reader, model):
        answer = assert_exact_at_any_limit(reader, model, terms(1, 2, 3))
        assert answer[:40] == [(id_, 2) for id_ in range(1, 41)]
    with searchable(commits, background=True) as (reader, model):
        assert assert_exact_at_any_limit(reader, model, terms(1, 2, 3)) == answer


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_500_near_copies_comes_first_at_any_limit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    recording = new_terms(generator, 120)
    copies = [copy_of(generator, recording, 0.8) for _ in range(500)]
    queries = [copy_of(generator, copies[place], 0.8) for place in range(0, 500, 50)]
    with searchable([dict(enumerate(copies, 1))]) as (reader, model):
        for query in queries:
            assert len(assert_exact_at_any_limit(reader, model, query)) > 1


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_40_copies_of_948_words_comes_first_at_any_limit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    collection = near_copies(generator, 44, terms=948, kept=0.7)
    with searchable([dict(enumerate(collection.documents, 1))]) as (reader, model):
        for query in collection.queries:
            assert_exact_at_any_limit(reader, model, query)
            answer = assert_exact_at_any_limit(reader, model, query, score_pct=0)
            assert len(answer) >= 40


def test_10000_equal_documents_are_found_by_id() -> None:
    held = terms(*range(16))
    documents: Commit = dict.fromkeys(range(1, 10_001), held)
    with searchable([documents]) as (reader, model):
        assert_exact_at_any_limit(reader, model, held)
        assert_exact_at_any_limit(reader, model, terms(0))
        assert_exact(reader, model, [terms(), terms(99), terms(3, 3, 3, 99)])


def test_the_lowest_and_the_highest_ids_and_terms_are_found() -> None:
    ends = terms(0, 2**32 - 1)
    commits: list[Commit] = [{1: ends, 2**32 - 1: ends}, {1: ends, 2: terms(0)}]
    with searchable(commits) as (reader, model):
        answer = assert_exact_at_any_limit(reader, model, ends, score_pct=0)
        assert answer == [(1, 2), (2**32 - 1, 2), (2, 1)]


def test_the_floor_is_rounded_down() -> None:
    """A tenth of 29 is 2: documents with two terms are hits, those with one are not."""
    commit: Commit = {9: terms(*range(29)), 7: terms(0, 1), 8: terms(1)}
    with searchable([commit]) as (reader, model):
        answer = assert_exact_at_any_limit(reader, model, terms(*range(40)))
        assert answer == [(9, 29), (7, 2)]
