"""Waits for a condition, with a time limit."""

import time
from collections.abc import Callable
from typing import TypeVar

INTERVAL = 0.02
"""Seconds between two calls of the condition."""

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Call the condition until its result is true, and return that result.

    Args:
        condition: the function to call, at least once; its exceptions are not caught.
        seconds: the time limit.

    Raises:
        AssertionError: the result is still false after the time limit.
    """
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() >= deadline:
            raise AssertionError(f"still {result!r} after {seconds} s")
        time.sleep(INTERVAL)
    return result
