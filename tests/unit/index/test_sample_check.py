"""A sample of documents is looked for in an index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.index import (
    Hits,
    Insert,
    SearchTimeout,
    index_contains,
    open_reader,
    open_writer,
    sample_check,
)
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.index import IndexReader

RARE = terms(5, 6, 7)
COMMON = terms(1, 2)
"""The terms of 120 documents, more than a search returns."""


@pytest.fixture
def index(path: Path) -> Iterator[IndexReader]:
    with open_writer(path) as writer:
        copies = [Insert(document, COMMON) for document in range(1, 121)]
        writer.apply([*copies, Insert(200, terms(1, 2, 5, 6, 7)), Insert(201, RARE)], 1)
        assert writer.contains({201: RARE, 200: terms(1, 2, 5, 6, 7)})
        assert not writer.contains({201: RARE, 202: RARE})
        assert writer.contains({999: COMMON})
    with open_reader(path) as reader:
        yield reader


def test_each_document_must_be_found_with_all_its_terms(index: IndexReader) -> None:
    assert index_contains(index, {201: RARE, 200: terms(1, 2, 5, 6, 7), 1: COMMON})
    assert not index_contains(index, {202: RARE})
    assert not index_contains(index, {201: terms(5, 6, 7, 8)})
    assert not index_contains(index, {201: terms(100)})
    assert index_contains(index, {200: RARE})  # among other terms


def test_a_document_is_left_out_if_the_answer_shows_nothing(
    index: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many other documents have its terms, or the answer of a server is partial."""
    assert index_contains(index, {999: COMMON})
    search = type(index).search

    def partial(*args: object, **options: object) -> list[Hits]:
        return [replace(hits, partial=True) for hits in search(*args, **options)]  # type: ignore[arg-type]

    monkeypatch.setattr(type(index), "search", partial)
    assert index_contains(index, {202: RARE})


def test_a_search_that_takes_too_long_is_no_answer(
    index: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_check, "TIMEOUT", 1e-9)
    with pytest.raises(SearchTimeout):
        index_contains(index, {201: RARE})
