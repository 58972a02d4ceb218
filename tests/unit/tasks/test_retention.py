"""A run of the retention stops when nothing is left, or when its time is over."""

from itertools import count

from tasks.periodic.retention import in_batches


def test_batches_are_run_until_nothing_is_left() -> None:
    left = [3, 2, 2, 0, 9]
    assert in_batches(lambda: left.pop(0), 60) == 7
    assert left == [9]


def test_a_run_ends_at_its_time_limit() -> None:
    calls = count(1)
    assert in_batches(lambda: next(calls), 0) == 1
    assert in_batches(lambda: next(calls), 0) == 2
