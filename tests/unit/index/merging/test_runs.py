"""Sorted runs become one, whatever their lengths."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.index.merging.runs import merge_runs

RUNS = st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 20), max_size=40), max_size=9)


@given(RUNS)
@settings(deadline=None)
def test_merged_runs_are_sorted_and_complete(runs: list[list[int]]) -> None:
    keys = np.array([key for run in runs for key in sorted(run)], dtype=np.uint64)
    ends = np.cumsum([len(run) for run in runs], dtype=np.int64)
    expected = np.sort(keys).tolist()
    assert merge_runs(keys, ends).tolist() == expected
