"""The condition of the connection to NATS, for status, health and metrics."""

import threading
import time
from dataclasses import dataclass
from typing import Final

import structlog

REPEAT: Final = 60.0
"""Seconds after which the log contains an unchanged problem again."""

MOST_TEXTS: Final = 100
"""Number of different problems whose times are kept."""

logger = structlog.get_logger("acoustid.nats_bridge.link.link_state")


@dataclass(frozen=True, slots=True)
class LinkReport:
    """The condition of the connection at one time.

    Attributes:
        connected: whether there is a connection.
        server: host and port of the server of the latest connection; None before the first one.
        reconnects: number of connections after the first one.
        problem: why there is no connection, without secrets; None with a connection.
        since: Unix time of the last change of `connected`; before the first connection, that of the
            first attempt.
    """

    connected: bool
    server: str | None
    reconnects: int
    problem: str | None
    since: float


class LinkState:
    """The condition of the connection to NATS. Thread-safe.

    The event loop of the connection calls the methods but `report`; other threads read.

    Args:
        logs: whether changes and problems are logged.
    """

    def __init__(self, *, logs: bool = True) -> None:
        self._logs = logs
        self._lock = threading.Lock()
        self._report = LinkReport(
            connected=False, server=None, reconnects=0, problem=None, since=time.time()
        )
        self._connections = 0
        self._logged: dict[str, float] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._report.connected

    @property
    def server(self) -> str | None:
        """Host and port of the server of the latest connection; None before the first one."""
        return self._report.server

    @property
    def reconnects(self) -> int:
        """Number of connections after the first one."""
        return self._report.reconnects

    @property
    def problem(self) -> str | None:
        """Why there is no connection, without secrets; None with a connection."""
        return self._report.problem

    @property
    def since(self) -> float:
        """Unix time of the last change of `connected`."""
        return self._report.since

    def report(self) -> LinkReport:
        """Return all values as of one time."""
        return self._report

    def established(self, server: str) -> None:
        """Record a new connection.

        Args:
            server: host and port of the server.
        """
        with self._lock:
            self._connections += 1
            self._report = LinkReport(
                connected=True,
                server=server,
                reconnects=self._connections - 1,
                problem=None,
                since=time.time(),
            )
            self._logged.clear()
        if self._logs:
            logger.info("connected to NATS", server=server, reconnects=self._connections - 1)

    def lost(self, problem: str) -> None:
        """Record that the connection is lost. Without a connection, nothing changes.

        Args:
            problem: the reason, without secrets.
        """
        if self.connected:
            self._disconnected(problem)

    def failed(self, problem: str) -> None:
        """Record that an attempt to connect failed.

        Args:
            problem: the reason, without secrets.
        """
        self._disconnected(problem)

    def ended(self) -> None:
        """Record that the process closed the connection."""
        self._set_disconnected(None)

    def warned(self, problem: str) -> None:
        """Log an error that does not end the connection, such as a missing permission."""
        self._log(problem)

    def _disconnected(self, problem: str) -> None:
        self._set_disconnected(problem)
        self._log(problem)

    def _set_disconnected(self, problem: str | None) -> None:
        with self._lock:
            before = self._report
            self._report = LinkReport(
                connected=False,
                server=before.server,
                reconnects=before.reconnects,
                problem=problem,
                since=time.time() if before.connected else before.since,
            )

    def _log(self, problem: str) -> None:
        """Log a problem, unless it was logged less than `REPEAT` seconds ago."""
        if not self._logs:
            return
        now = time.monotonic()
        with self._lock:
            if now - self._logged.get(problem, -REPEAT) < REPEAT:
                return
            if len(self._logged) >= MOST_TEXTS:
                self._logged.clear()
            self._logged[problem] = now
        logger.warning("no working connection to NATS", problem=problem)
