"""Merges sorted runs of keys.

Neighbours are merged in pairs until one run is left. Two runs are merged from both ends at once,
without a branch that depends on the keys: the processor can't predict such a branch, and a
misprediction costs more than all other steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.loops.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint64]
    Places = NDArray[np.int64]


@compiled
def merge_runs(keys: Words, ends: Places) -> Words:
    """Return the keys of all runs, sorted; both arguments are overwritten.

    Args:
        keys: one sorted run after the other, uint64.
        ends: the end of each run, int64, shape (runs,).
    """
    runs = ends.size
    other = np.empty_like(keys)
    while runs > 1:
        merged = 0
        begin = 0
        for run in range(0, runs, 2):
            middle = ends[run]
            end = ends[min(run + 1, runs - 1)]
            _merge_two(keys[begin:middle], keys[middle:end], other[begin:end])
            ends[merged] = end
            merged += 1
            begin = end
        runs = merged
        keys, other = other, keys
    return keys


@compiled
def _merge_two(left: Words, right: Words, merged: Words) -> None:
    """Merge two sorted runs; of equal keys the left one comes first.

    The first loop makes one step per key of the shorter run, so it can't pass the end of a run.
    Places are unsigned: for signed ones the compiler adds a check for places that count from the
    end.
    """
    one = np.uint64(1)
    low, first, second = np.uint64(0), np.uint64(0), np.uint64(0)
    high = np.uint64(merged.size) - one
    last_first, last_second = np.uint64(left.size) - one, np.uint64(right.size) - one
    for _ in range(min(left.size, right.size)):
        a, b = left[first], right[second]
        from_right = b < a
        merged[low] = b if from_right else a
        second += np.uint64(from_right)
        first += np.uint64(not from_right)
        low += one
        a, b = left[last_first], right[last_second]
        from_left = b < a
        merged[high] = a if from_left else b
        last_first -= np.uint64(from_left)
        last_second -= np.uint64(not from_left)
        high -= one
    # The remaining keys are between the places. An empty run has its end before its beginning.
    rest, end = np.int64(first), np.int64(last_first) + 1
    other, other_end = np.int64(second), np.int64(last_second) + 1
    place = np.int64(low)
    while rest < end or other < other_end:
        if other == other_end or (rest < end and left[rest] <= right[other]):
            merged[place] = left[rest]
            rest += 1
        else:
            merged[place] = right[other]
            other += 1
        place += 1
