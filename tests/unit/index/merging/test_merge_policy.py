"""Which segments are merged, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.index import Delete, Insert, open_reader, open_writer
from pipeline.index.merging.merge_policy import MAX_SEGMENTS, cheapest_run
from pipeline.index.segments.segment_format import MAX_POSTINGS
from tests.unit.index.model import contents, terms

if TYPE_CHECKING:
    from pathlib import Path


def simulated(batches: list[float]) -> tuple[list[float], float]:
    """Return the sizes at the end, and how often each byte was written."""
    sizes: list[float] = []
    written = 0.0
    for batch in batches:
        sizes.append(batch)
        written += batch
        if len(sizes) > MAX_SEGMENTS:
            run = cheapest_run(sizes, [1] * len(sizes))
            assert run
            total = sum(sizes[run])
            sizes[run] = [total]
            written += total
        assert len(sizes) <= MAX_SEGMENTS
    return sizes, written / sum(batches)


@pytest.mark.parametrize(("batches", "most"), [(100, 3.5), (1000, 5.5), (10_000, 8)])
def test_equal_batches_are_written_a_few_times_over(batches: int, most: float) -> None:
    sizes, amplification = simulated([1e6] * batches)
    assert sum(sizes) == 1e6 * batches
    assert amplification < most


def test_small_batches_do_not_rewrite_a_large_segment() -> None:
    sizes, _ = simulated([1e9, *[1e3] * 1000])
    assert sizes[0] == 1e9


def test_the_last_few_documents_do_not_rewrite_all() -> None:
    assert cheapest_run([36, 30, 23, 5, 4, 2], [1] * 6) == slice(0, 5)
    assert cheapest_run([30, 20], [1] * 2) == slice(0, 2)


def test_equal_neighbours_are_merged_first() -> None:
    assert cheapest_run([900, 100, 90, 3, 3, 3], [1] * 6) == slice(3, 6)


def test_a_run_without_anything_alive_is_merged_first() -> None:
    assert cheapest_run([10, 0, 0, 10, 10], [1] * 5) == slice(1, 3)


def test_no_segment_gets_more_postings_than_its_format_can_count() -> None:
    assert cheapest_run([1.0, 1, 8, 8], [MAX_POSTINGS, 1, 5, 5]) == slice(1, 4)
    assert cheapest_run([1.0, 1], [MAX_POSTINGS, 1]) is None


@given(
    sizes=st.lists(st.floats(1, 9), min_size=2, max_size=12),
    taken=st.sets(st.integers(0, 11)),
)
def test_what_is_being_merged_is_left_alone(sizes: list[float], taken: set[int]) -> None:
    run = cheapest_run(sizes, [0] * len(sizes), taken)
    places = range(len(sizes))
    if run is None:
        assert all({place, place + 1} & taken for place in places[:-1])
    else:
        assert not taken & set(places[run])


def test_an_index_at_rest_has_few_segments(path: Path) -> None:
    with open_writer(path, merge_in_background=False) as writer, open_reader(path) as reader:
        for number in range(1, 60):
            writer.apply([Insert(number, terms(16, 16 * number))], number)
            assert reader.stats().segments <= MAX_SEGMENTS
    assert len(contents(path)) == 59


def test_a_small_index_in_pieces_becomes_one_segment_when_it_rests(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        for first in (1, 301):
            writer.apply([Insert(number, terms(number)) for number in range(first, first + 70)], 1)
            writer.finish_merges()
            assert reader.stats().segments == 1
        writer.apply([Insert(number, terms(number)) for number in range(601, 620)], 1)
        writer.finish_merges()
        assert reader.stats().segments == 2
    assert len(contents(path)) == 159


def test_deleting_everything_gives_the_space_back(path: Path) -> None:
    with open_writer(path, merge_in_background=False) as writer, open_reader(path) as reader:
        writer.apply([Insert(number, terms(16)) for number in range(1, 100)], 1)
        writer.apply([Delete(number) for number in range(1, 100)], 2)
        stats = reader.stats()
    assert (stats.documents, stats.segments, stats.bytes) == (0, 0, 0)
    assert not list(path.glob("*.segment"))


def test_replaced_versions_at_most_double_the_index(path: Path) -> None:
    with open_writer(path, merge_in_background=False) as writer, open_reader(path) as reader:
        for version in range(1, 30):
            changes = [Insert(n, terms(*range(version, version + 50))) for n in range(1, 100)]
            writer.apply(changes, version)
            if version == 1:
                once = reader.stats().bytes
            assert reader.stats().bytes <= 2 * once
            assert reader.stats().documents == 99
