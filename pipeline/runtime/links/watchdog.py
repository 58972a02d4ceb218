"""Ends the uses of connections that exceed their time limit.

psycopg2 has no time limit for a reply. A thread that waits for one continues only after an event
on its socket. So the watchdog shuts the socket down, and libpq reports a closed connection at once.
The watchdog uses a duplicate of the descriptor: libpq can close its descriptor at any time, and
another socket can then get the same number.
"""

import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from pipeline.runtime.processes import PerProcess

INTERVAL: Final = 0.25
"""Seconds between two checks: a use can exceed its limit by this time."""

IDLE_CHECKS: Final = 240
"""Number of checks without a use, one minute, after which the thread waits for the next use."""

logger = structlog.get_logger("acoustid.runtime.watchdog")


@dataclass(eq=False, slots=True)
class Use:
    """One use of a connection.

    Attributes:
        until: time at which the socket is shut down, on the monotonic clock.
        link: a duplicate of the connection's socket; see `duplicate`.
    """

    until: float
    link: socket.socket


class Watchdog:
    """Shuts down the sockets of connections that are in use for too long. Thread-safe.

    Its thread starts at the first use. `begin` and `end` together take about a microsecond.
    """

    def __init__(self) -> None:
        self._uses: dict[Use, Use] = {}
        self._lock = threading.Lock()  # for the start of the thread
        self._thread: threading.Thread | None = None
        self._wakeup = threading.Event()
        self._is_waiting = False

    def begin(self, use: Use) -> None:
        """Watch a use of a connection until `end`."""
        self._uses[use] = use
        if self._thread is None:
            self._start()
        elif self._is_waiting:
            self._wakeup.set()

    def end(self, use: Use) -> bool:
        """Stop watching a use; return False if its socket was shut down."""
        return self._uses.pop(use, None) is not None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="connection-watchdog", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(INTERVAL)
            self._shut_down_late_uses()
            idle = 0 if self._uses else idle + 1
            if idle >= IDLE_CHECKS:
                self._wait_for_use()
                idle = 0

    def _wait_for_use(self) -> None:
        self._wakeup.clear()
        self._is_waiting = True
        if not self._uses:  # a use that begins now sees `_is_waiting`
            self._wakeup.wait()  # for work; no request waits for this thread
        self._is_waiting = False

    def _shut_down_late_uses(self) -> None:
        now = time.monotonic()
        for use in self._uses.copy():
            if use.until <= now and self.end(use):
                with suppress(OSError):  # the peer has closed it
                    use.link.shutdown(socket.SHUT_RDWR)
                logger.error("a database did not answer in time; its connection is closed")


def process_watchdog() -> Watchdog:
    """Return the watchdog of this process, which all its pools share."""
    return _watchdogs.get()


_watchdogs: Final = PerProcess(Watchdog)


def duplicate(descriptor: int) -> socket.socket:
    """Return a second socket object of an open socket. Close it with the connection."""
    return socket.socket(fileno=os.dup(descriptor))
