"""Waits for a condition."""

import time
from collections.abc import Callable

Pause = Callable[[float], None]
"""Waits for a number of seconds. An exception that it raises ends the wait."""


def wait_until(condition: Callable[[], bool], seconds: float, pause: Pause = time.sleep) -> bool:
    """Wait until the condition is true; return False after the timeout in seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        pause(0.02)
    return True
