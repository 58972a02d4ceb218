"""The signals to a supervisor. A handler only counts, and wakes the loop that waits.

The file descriptor of `signal.set_wakeup_fd` wakes it. So no step is interrupted by a signal.
"""

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESTART_SIGNAL = signal.SIGUSR1
"""Requests a restart of the front end."""


class Signals:
    """Counts the signals of one supervisor.

    Args:
        on_restart: called in the handler of `RESTART_SIGNAL`.

    Attributes:
        stop_requests: the number of signals to stop.
    """

    def __init__(self, on_restart: Callable[[], None]) -> None:
        self.stop_requests = 0
        self._on_restart = on_restart
        self._wakeup_read, self._wakeup_write = os.pipe()
        for descriptor in (self._wakeup_read, self._wakeup_write):
            os.set_blocking(descriptor, False)

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals during a block. The end of a child process wakes the loop too."""
        numbers = (*STOP_SIGNALS, RESTART_SIGNAL, signal.SIGCHLD)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        wakeup = signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until a signal arrives."""
        select.select([self._wakeup_read], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(self._wakeup_read, 4096)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self.stop_requests += 1
        elif number == RESTART_SIGNAL:
            self._on_restart()
