"""Reads in parallel, for a limited time."""

import threading
import time

import pytest

from cli.status.parallel import in_parallel


def test_results_have_the_names_of_their_functions() -> None:
    meeting = threading.Barrier(2, timeout=5)  # both wait for each other, so they run in parallel
    found = in_parallel({"a": lambda: meeting.wait() + 1 > 0, "b": lambda: meeting.wait() < 0}, 5)
    assert found == {"a": True, "b": False}


def test_a_late_result_is_none() -> None:
    hanging = threading.Event()
    started = time.monotonic()
    assert in_parallel({"late": hanging.wait, "now": lambda: 1}, 0.1) == {"late": None, "now": 1}
    assert time.monotonic() - started < 2
    hanging.set()


def test_an_error_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        in_parallel({"wrong": lambda: 1 // 0}, 5)
