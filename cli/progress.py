"""Tells what a command waits for, every few seconds."""

import time
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 3.0
"""Seconds between two lines."""

QUIET_INTERVAL: Final = 15.0
"""Seconds between two lines after the first one, if they do not go to a terminal."""


class Progress:
    """Lines about a wait, at intervals. The first one follows after `INTERVAL`.

    Args:
        report: called with one line of text.
        interval: seconds between two lines; `INTERVAL` by default.
    """

    def __init__(self, report: Callable[[str], None], interval: float | None = None) -> None:
        self._report = report
        self._interval = INTERVAL if interval is None else interval
        self._next = time.monotonic() + INTERVAL

    def begin(self, line: str) -> None:
        """Report a line at once, since a new wait begins."""
        self._next = time.monotonic() + self._interval
        self._report(line)

    def tell(self, line: Callable[[], str]) -> None:
        """Report a line if the time for it has come.

        Args:
            line: returns the line; it is called only then.
        """
        if time.monotonic() >= self._next:
            self.begin(line())
