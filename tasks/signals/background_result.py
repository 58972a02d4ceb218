"""The last result of a slow function, which runs in a thread while the last result is used."""

import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

CHECK_EVERY: Final = 1.5
"""Minimum seconds between the starts of two checks: less than between two heartbeats."""

FIRST_WAIT: Final = 1.0
"""Maximum seconds for which the first report waits for the first check."""

LATER_WAIT: Final = 0.05
"""Maximum seconds for which a later report waits for a check that it has started."""

Result = TypeVar("Result")

logger = structlog.get_logger("acoustid.tasks.signals.background_result")


class BackgroundResult(Generic[Result]):
    """The last result of a function that runs in a thread at intervals.

    Args:
        function: the function; it does not run twice at a time.
        every: seconds between two starts.
        first_wait: maximum seconds that the first `latest` waits; a later one waits `LATER_WAIT`.
        is_urgent: returns whether a run is due before its time.
    """

    def __init__(
        self,
        function: Callable[[], Result],
        every: float = CHECK_EVERY,
        first_wait: float = FIRST_WAIT,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._function = function
        self._every = every
        self._wait = first_wait
        self._is_urgent = is_urgent
        self._due = 0.0
        self._thread: threading.Thread | None = None
        self._result: Result | None = None

    def latest(self) -> Result | None:
        """Return the last result, None before the first one; start a run if it is due."""
        now = time.monotonic()
        is_running = self._thread is not None and self._thread.is_alive()
        if not is_running and (now >= self._due or self._is_urgent()):
            self._due = now + self._every
            self._thread = threading.Thread(target=self._run, name="worker-report", daemon=True)
            self._thread.start()
            self._thread.join(self._wait)
            self._wait = LATER_WAIT
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception:
            logger.exception("a check of this worker failed")
