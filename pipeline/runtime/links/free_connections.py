"""Lets threads wait for a free connection of a pool, each for a time of its own."""

import threading
import time
from typing import Final

INTERVAL: Final = 0.02
"""Maximum seconds between two looks at the pool. Not every free connection is announced: a failed
log-in frees a place, too, and the pool gets a connection a moment after the announcement."""


class FreeConnections:
    """Tells waiting threads that the pool may have a free connection. Thread-safe.

    `QueuePool` has one time limit for all waits; the deadlines of requests differ.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = 0

    def announce(self) -> None:
        """Wake a thread that waits: a connection is being returned to the pool."""
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def wait(self, until: float) -> bool:
        """Wait for a moment; return False if the time is over.

        Args:
            until: time on the monotonic clock.
        """
        left = until - time.monotonic()
        if left <= 0:
            return False
        with self._changed:
            self._waiting += 1
            self._changed.wait(min(left, INTERVAL))
            self._waiting -= 1
        return True
