"""Sorted arrays of ids behave as sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.index.segments.sorted_ids import Ids, contains, intersection, no_ids, union, without

ID = st.integers(1, 30) | st.just(2**32 - 1)
IDS = st.sets(ID)


def ids(values: set[int]) -> Ids:
    return np.array(sorted(values), dtype=np.uint32)


@given(IDS, st.lists(ID))
def test_contains_tells_members(held: set[int], values: list[int]) -> None:
    mask = contains(ids(held), np.array(values, dtype=np.uint32))
    assert mask.tolist() == [value in held for value in values]


@given(IDS, IDS)
def test_intersection_and_difference(first: set[int], second: set[int]) -> None:
    assert intersection(ids(first), ids(second)).tolist() == sorted(first & second)
    assert without(ids(first), ids(second)).tolist() == sorted(first - second)


@given(st.lists(IDS))
def test_union(sets: list[set[int]]) -> None:
    assert union([ids(each) for each in sets]).tolist() == sorted(set().union(*sets))


def test_the_empty_set_is_uint32() -> None:
    assert no_ids().dtype == union([]).dtype == np.uint32
