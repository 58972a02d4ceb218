"""How hits are counted, ranked and cut off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pipeline.index import Delete, Insert, open_reader, open_writer
from pipeline.index.search import search
from pipeline.index.segments.segment_format import FOOTER_BYTES
from tests.unit.index.model import pairs, terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.index import IndexReader


@pytest.fixture
def reader(path: Path) -> Iterator[IndexReader]:
    """An index of three segments: 5 was replaced, 6 deleted, 7 deleted and put back."""
    with open_writer(path) as writer:
        # The other documents keep the small index from being merged because of two documents.
        others = [Insert(n, terms(2**31)) for n in range(100, 120)]
        writer.apply([*(Insert(n, terms(16, 32, 48, 16 * n)) for n in range(4, 10)), *others], 1)
        writer.apply([Insert(5, terms(32)), Delete(6), Delete(7)], 2)
        writer.apply([Insert(7, terms(16, 16, 112)), Insert(20, terms())], 3)
    with open_reader(path) as opened:
        assert opened.stats().segments == 3
        yield opened


def test_score_is_the_number_of_distinct_terms_in_common(reader: IndexReader) -> None:
    [hits] = reader.search([terms(16, 32, 48, 64, 16)])
    assert pairs(hits) == [(4, 4), (8, 3), (9, 3), (5, 1), (7, 1)]


def test_many_queries_are_answered_in_order(reader: IndexReader) -> None:
    hits = reader.search([terms(128), terms(), terms(7), terms(144), terms(112, 16)], score_pct=60)
    assert [pairs(each) for each in hits] == [
        [(8, 1)], [], [], [(9, 1)], [(7, 2), (4, 1), (8, 1), (9, 1)],
    ]  # fmt: skip


def test_no_queries_have_no_answers(reader: IndexReader) -> None:
    assert reader.search([]) == []


def test_min_score_limit_and_percentage_cut_off(reader: IndexReader) -> None:
    query = terms(16, 32, 48, 64)

    def found(**limits: int) -> list[int]:
        [hits] = reader.search([query], **limits)
        return [int(id_) for id_ in hits.ids]

    assert found(min_score=2) == [4, 8, 9]
    assert found(min_score=5) == []
    assert found(min_score=100) == []
    assert found(limit=2) == [4, 8]
    assert found(score_pct=75) == [4, 8, 9]
    assert found(score_pct=76) == [4, 8, 9]  # floor(4 * 0.76) is 3
    assert found(score_pct=100) == [4]
    assert found(score_pct=0) == [4, 8, 9, 5, 7]


def test_the_percentage_is_of_the_best_surviving_hit(reader: IndexReader) -> None:
    # The replaced version of 5 and the deleted 6 would have scored more.
    [hits] = reader.search([terms(80, 96, 16)], score_pct=100)
    assert pairs(hits) == [(4, 1), (7, 1), (8, 1), (9, 1)]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"limit": 0}, "limit 0 must be at least 1"),
        ({"min_score": 0}, "min_score 0 must be at least 1"),
        ({"score_pct": 101}, "score_pct 101 must be from 0 to 100"),
        ({"score_pct": -1}, "score_pct -1 must be from 0 to 100"),
        ({"max_postings": 0}, "max_postings 0 must be at least 1"),
        ({"timeout": 0}, "timeout 0 must be above 0 and finite"),
        ({"timeout": math.nan}, "timeout nan must be above 0 and finite"),
        ({"timeout": math.inf}, "timeout inf must be above 0 and finite"),
    ],
)
def test_senseless_limits_are_refused(
    reader: IndexReader, limits: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        reader.search([terms(16)], **limits)


@pytest.mark.parametrize(
    "limits", [{"score_pct": 10.5}, {"limit": True}, {"min_score": np.int64(1)}]
)
def test_limits_of_other_types_are_refused(reader: IndexReader, limits: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be an int, not"):
        reader.search([terms(16)], **limits)


def test_limits_beyond_all_numbers_of_the_index_are_accepted(reader: IndexReader) -> None:
    query = [terms(16, 32, 48)]
    [hits] = reader.search(query, limit=2**70, max_postings=2**70, timeout=1e300)
    assert pairs(hits) == pairs(reader.search(query)[0])
    assert pairs(reader.search(query, min_score=2**70)[0]) == []


def test_a_damaged_segment_before_one_of_deletions_raises_no_error(path: Path) -> None:
    query = np.arange(50, dtype=np.uint32)
    with open_writer(path, merge_in_background=False) as writer:
        writer.apply([Insert(n, query) for n in range(1, 38)], 1)
        writer.apply([Delete(3)], 2)
    segment = min(path.glob("*.segment"))
    content = bytearray(segment.read_bytes())
    # The last sections are the document numbers of the postings, with a spare word, and the footer.
    end = len(content) - FOOTER_BYTES - 8
    content[end - 1000 : end] = b"\xff" * 1000
    segment.write_bytes(content)
    with open_reader(path) as reader:
        for max_postings in (None, 100):
            reader.search([query], max_postings=max_postings)


def test_a_query_must_be_a_flat_uint32_array(reader: IndexReader) -> None:
    with pytest.raises(TypeError, match="query 1 must be a uint32 array, not int32"):
        reader.search([terms(16), np.array([16], dtype=np.int32)])
    with pytest.raises(ValueError, match="query 0 must have one dimension, not 0"):
        reader.search([np.array(16, dtype=np.uint32)])


def test_batches_larger_than_memory_allows_are_answered_in_parts(
    reader: IndexReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [terms(16, 32), terms(48), terms(), terms(32, 48, 64)] * 3
    whole = [pairs(hits) for hits in reader.search(queries)]
    for room in (1, 50, 150):
        monkeypatch.setattr(search, "HITS_AT_ONCE", room)
        assert [pairs(hits) for hits in reader.search(queries)] == whole
