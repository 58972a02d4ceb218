"""Tests of the function that runs for many files."""

import threading
from collections.abc import Generator, Iterator
from typing import cast

import pytest

from cli.commands.client.audio.parallel_files import AHEAD, run_in_order


def test_values_are_in_order() -> None:
    assert list(run_in_order(str, range(100), jobs=4)) == [str(each) for each in range(100)]
    assert list(run_in_order(str, [], jobs=4)) == []


def test_a_finished_value_does_not_wait_for_the_next_one() -> None:
    may_end = threading.Event()

    def slow(value: int) -> int:
        assert value != 1 or may_end.wait(30)
        return value

    values = run_in_order(slow, range(3), jobs=2)
    assert next(values) == 0
    may_end.set()
    assert list(values) == [1, 2]


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_calls_run_beside_each_other_as_asked(jobs: int) -> None:
    together = threading.Barrier(jobs)
    assert len(list(run_in_order(lambda _: together.wait(30), range(2 * jobs), jobs))) == 2 * jobs


def test_arguments_are_taken_shortly_before_they_are_needed() -> None:
    taken: list[int] = []

    def arguments() -> Iterator[int]:
        for each in range(100):
            taken.append(each)
            yield each

    values = run_in_order(str, arguments(), jobs=2)
    next(values)
    assert len(taken) == AHEAD + 2


def test_no_call_begins_after_the_caller_has_stopped() -> None:
    begun: list[int] = []
    threads = threading.active_count()
    gate = threading.Event()

    def call(value: int) -> None:
        begun.append(value)
        assert value == 0 or gate.wait(30)

    values = cast("Generator[None]", run_in_order(call, range(100), jobs=1))
    next(values)
    threading.Timer(0.05, gate.set).start()
    values.close()
    assert len(begun) <= 2
    assert threading.active_count() <= threads + 1  # that of the timer


def test_an_error_ends_the_run() -> None:
    def fail(value: int) -> None:
        raise ZeroDivisionError(value)

    with pytest.raises(ZeroDivisionError):
        list(run_in_order(fail, range(3), jobs=2))
