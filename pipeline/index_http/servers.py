"""Several servers of the same index: asked one after the other until one answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from pipeline.index import SearchTimeout
from pipeline.index_http.errors import IndexUnavailable, ServerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.index_http.server import IndexServer

Answer = TypeVar("Answer")

REST: Final = 5.0
"""Seconds for which a server that failed is asked only when all others fail too."""

logger = structlog.get_logger("acoustid.index_http")


class IndexServers:
    """The servers in the order of preference; for use by several threads."""

    def __init__(self, servers: Sequence[IndexServer]) -> None:
        """Keep at least one server; the first is asked first while it answers."""
        self._servers = tuple(servers)
        self._rests_until: dict[IndexServer, float] = {}

    def ask(self, question: Callable[[IndexServer, float], Answer], deadline: float) -> Answer:
        """Return the first answer; each server gets an even share of the time that is left.

        Args:
            question: takes a server and the seconds that the answer may take, and raises
                `ServerFailed` for the next server to be asked.
            deadline: of `time.monotonic`, for all of them together.

        Raises:
            SearchTimeout: the deadline is past.
            IndexUnavailable: no server gave an answer.
        """
        order = self._in_order()
        failures: list[str] = []
        for place, server in enumerate(order):
            left = deadline - time.monotonic()
            if left <= 0:
                raise SearchTimeout("; ".join(["no answer in time", *failures]))
            try:
                return question(server, left / (len(order) - place))
            except ServerFailed as error:
                failures.append(str(error))
                self._let_rest(server, str(error))
        raise IndexUnavailable("; ".join(failures))

    def close(self) -> None:
        """Close the connections."""
        for server in self._servers:
            server.close()

    def _in_order(self) -> list[IndexServer]:
        """Return the servers, those that failed of late behind the others."""
        now = time.monotonic()
        return sorted(self._servers, key=lambda server: self._rests_until.get(server, 0.0) > now)

    def _let_rest(self, server: IndexServer, reason: str) -> None:
        now = time.monotonic()
        if self._rests_until.get(server, 0.0) <= now:
            logger.warning("an index server failed", reason=reason, rest=REST)
        self._rests_until[server] = now + REST
