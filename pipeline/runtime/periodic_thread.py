"""A thread that calls a function at intervals."""

import threading
from collections.abc import Callable

import structlog

logger = structlog.get_logger("acoustid.runtime.periodic_thread")


class PeriodicThread:
    """Calls a function at intervals until `close`. An exception is logged and ends no thread.

    Args:
        name: the name of the thread.
        function: the function.
        every: seconds between the end of a call and the start of the next one.
        is_first_at_once: whether the first call starts at once, and not after an interval.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[], object],
        every: float,
        *,
        is_first_at_once: bool = False,
    ) -> None:
        self._name = name
        self._function = function
        self._every = every
        self._wait = 0.0 if is_first_at_once else every
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self, timeout: float) -> None:
        """End the thread after its current call; wait for that for at most `timeout` seconds."""
        self._closing.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closing.wait(self._wait):
            self._wait = self._every
            try:
                self._function()
            except Exception:
                logger.exception("a periodic call failed", thread=self._name)
