"""Chooses among several servers of one index, by their failures and their positions."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import structlog

from pipeline.index import SearchTimeout, StateRefused
from pipeline.index.errors import IndexUnavailable
from pipeline.index_http.protocol import ServerFailed, ServerStateRefused, ServerTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.index_http.client import IndexServerClient

Answer = TypeVar("Answer")

RETRY_AFTER: Final = 5.0
"""Seconds after a failure during which a server is tried only after all others."""

logger = structlog.get_logger("acoustid.index_http.failover")


class Failover:
    """Sends a request to one server after the other until one answers. Thread-safe."""

    def __init__(self, servers: Sequence[IndexServerClient]) -> None:
        """Store the servers, at least one, in the order of preference."""
        self._servers = tuple(servers)
        self._failed_until: dict[IndexServerClient, float] = {}

    def request(
        self, send: Callable[[IndexServerClient, float], Answer], deadline: float
    ) -> Answer:
        """Return the first answer. Each server gets an equal share of the remaining time.

        Args:
            send: takes a server and the seconds that the answer may take. If it raises
                `ServerFailed`, the next server is tried. After `ServerTimedOut` the server keeps
                its place: an expensive search says nothing about the server.
            deadline: a `time.monotonic` value, for all servers together.

        Raises:
            SearchTimeout: the deadline has passed, or a server had too little time.
            StateRefused: no server gave an answer, one of them because of its state.
            IndexUnavailable: no server gave an answer.
        """
        order = self._in_order()
        failures: list[str] = []
        refused: ServerStateRefused | None = None
        timed_out = False
        for place, server in enumerate(order):
            left = deadline - time.monotonic()
            if left <= 0:
                raise SearchTimeout("; ".join(["no answer in time", *failures]))
            try:
                return send(server, left / (len(order) - place))
            except ServerStateRefused as error:
                failures.append(str(error))
                refused = error
            except ServerTimedOut as error:
                failures.append(str(error))
                timed_out = True
            except ServerFailed as error:
                failures.append(str(error))
                self._mark_failed(server, str(error))
        if refused:
            raise StateRefused(refused.state)
        if timed_out:
            raise SearchTimeout("; ".join(failures))
        raise IndexUnavailable("; ".join(failures))

    def close(self) -> None:
        """Close the connections."""
        for server in self._servers:
            server.close()

    def _in_order(self) -> list[IndexServerClient]:
        """Return the servers by preference, those that failed recently last."""
        now = time.monotonic()
        return sorted(self._servers, key=lambda server: self._failed_until.get(server, 0.0) > now)

    def _mark_failed(self, server: IndexServerClient, reason: str) -> None:
        now = time.monotonic()
        if self._failed_until.get(server, 0.0) <= now:
            logger.warning("index server failed", reason=reason, retry_after=RETRY_AFTER)
        self._failed_until[server] = now + RETRY_AFTER


class ServerPositions:
    """The last changelog position of each server, and the highest one given to the caller.

    A caller that reads the position and then searches must find everything up to it. A
    replica may lag, so searches go only to servers that have reached the reported position. The
    position of a server grows, unless its index is rebuilt.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[IndexServerClient, _Observation] = {}
        self._reported = 0

    @property
    def reported(self) -> int:
        """The position that searches must reach, 0 before the first `report`."""
        return self._reported

    def has_reached(self, server: IndexServerClient) -> bool:
        """Return whether the last known position of a server is the reported one or later."""
        with self._lock:
            seen = self._seen.get(server)
            return (seen.position if seen else 0) >= self._reported

    def observe(self, server: IndexServerClient, position: int, sent: float) -> None:
        """Store the position of a server.

        A lower position than before means that the index was rebuilt or lost. All earlier
        positions are then discarded.

        Args:
            server: the server.
            position: its changelog position.
            sent: `time.monotonic` when the request was sent. An answer to a request before the last
                observation is out of date and does not count as a lower position.
        """
        with self._lock:
            last = self._seen.get(server)
            if last and position < last.position:
                if sent < last.time:
                    return
                self._seen.clear()
                self._reported = 0
            self._seen[server] = _Observation(position, time.monotonic())

    def report(self, position: int) -> None:
        """Store the position that was returned to the caller."""
        with self._lock:
            self._reported = max(self._reported, position)


class _Observation(NamedTuple):
    """A position and the `time.monotonic` at which it was received."""

    position: int
    time: float
