"""Rows of words in one flat array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fingerprint.ragged import Ragged, bounds_of, sum_rows
from pipeline.fingerprint.words import as_words

tables = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6)


def ragged(table: list[list[int]]) -> Ragged:
    """Return the table's rows."""
    return Ragged.of([as_words(row) for row in table])


def as_table(rows: Ragged) -> list[list[int]]:
    """Return the rows as lists."""
    return [row.tolist() for row in rows]


@given(tables)
def test_rows_come_back(table: list[list[int]]):
    """By iteration, by index from either end, and in their lengths."""
    rows = ragged(table)
    assert as_table(rows) == table
    assert [rows[i].tolist() for i in range(-len(table), len(table))] == table * 2
    assert rows.lengths.tolist() == [len(row) for row in table]
    assert len(rows) == len(table)


@given(tables, st.integers(-7, 7), st.integers(-7, 7))
def test_a_run_of_rows_is_a_slice(table: list[list[int]], start: int, stop: int):
    """As of a list."""
    run = ragged(table)[start:stop]
    assert as_table(run) == table[start:stop]
    assert run.offsets[0] == 0


def test_rows_and_runs_are_views():
    """Nothing is copied."""
    rows = ragged([[1, 2], [3], [4, 5]])
    assert np.shares_memory(rows[1], rows.values)
    assert np.shares_memory(rows[1:].values, rows.values)
    assert Ragged.of(rows) is rows


@given(tables)
def test_sums_of_rows(table: list[list[int]]):
    """Empty rows add up to 0, in numbers of few bits too."""
    rows = ragged(table)
    expected = [sum(row) * 28 for row in table]
    assert sum_rows((rows.values * 28).astype(np.uint8), rows.offsets).tolist() == expected
    assert sum_rows(rows.values > 4, rows.offsets).tolist() == [
        sum(number > 4 for number in row) for row in table
    ]


def test_bounds_add_up_lengths():
    """From 0 to the total."""
    assert bounds_of([2, 0, 3]).tolist() == [0, 2, 2, 5]
    assert bounds_of([]).tolist() == [0]


def test_only_words_make_rows():
    """An int64 array would come out as words of twice the size."""
    with pytest.raises(TypeError, match=r"not int64\[1\]: use as_words"):
        Ragged.of([np.array([1])])
    with pytest.raises(TypeError, match=r"not uint32\[1, 1\]"):
        Ragged.of([np.zeros((1, 1), np.uint32)])


def test_rows_that_are_not_neighbours_are_no_view():
    """They must be read one by one."""
    with pytest.raises(ValueError, match="only adjacent rows"):
        ragged([[1], [2], [3]])[::2]
    with pytest.raises(IndexError):
        ragged([[1]])[1]
