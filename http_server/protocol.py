"""uvicorn's HTTP protocol with limits: which connections may stay, and what each of them may send.

The overridden methods are those of `asyncio.Protocol`, the callbacks of httptools' parser,
`shutdown`, which uvicorn's server calls, and `send_400_response`, which sends uvicorn's refusal.
"""

import asyncio
from collections import deque
from typing import Any, Final

import structlog
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from http_server.connections import Connection, Connections, Overdue, Reading
from http_server.replies import Refusals

SLICE: Final = 16 * 1024
"""Bytes that are parsed at a time: one reading may hold thousands of small requests."""

MOST_PIPELINED: Final = 100
"""Requests that a client may send ahead of the replies."""

LINGER: Final = 2.0
"""Seconds that a connection without a request stays open when the server stops.

A client that sends its next request in this time gets an answer in place of a reset connection.
"""

logger = structlog.get_logger("acoustid.http_server")


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        connections: where it is counted.
        refusals: what it is told when it exceeds a limit.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: what the application is given of the server.
    """

    def __init__(
        self,
        connections: Connections,
        refusals: Refusals,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config, server_state, dict(app_state))
        self._limits = connections
        self._refusals = refusals
        self._connection = Connection("", self._abort, self.loop.time())
        self._now = self._connection.since
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; refuse it where there are too many."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self._connection.client = self._limits.client(address[0] if address else "")
        self.app_state["connection"] = self._connection
        if not self._limits.add(self._connection):
            transport.write(self._refusals.full)
            transport.close()
        elif self._limits.is_stopping:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place of the connection."""
        self._limits.remove(self._connection)
        self._connection.cancel()
        super().connection_lost(exc)
        for cycle in self._unanswered:  # uvicorn tells the last one alone
            cycle.disconnected = True

    def eof_received(self) -> None:
        """Refuse a request that will never be complete; uvicorn closes the connection."""
        if self._connection.reading is not Reading.NOTHING and not self.transport.is_closing():
            self.transport.write(self._refusals.incomplete)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, a slice at a time."""
        if len(data) <= SLICE:
            self._receive(data)
            return
        for start in range(0, len(data), SLICE):
            self._receive(data[start : start + SLICE])

    def on_message_begin(self) -> None:
        """Note the first byte of a request."""
        self._connection.read(Reading.HEADERS, self._now)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a request is under way."""
        self._connection.requests += 1
        self._connection.read(Reading.BODY, self._now)
        super().on_headers_complete()
        while self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        self._unanswered.append(self.cycle)
        if self._limits.is_stopping:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note the last byte of a request."""
        self._connection.read(Reading.NOTHING, self._now)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        del msg  # uvicorn's, in plain text
        self._refuse(self._refusals.malformed)

    def shutdown(self) -> None:
        """Answer what is under way, and what arrives within `LINGER` seconds, then close."""
        self._limits.is_stopping = True
        if self._connection.requests:
            self.cycle.keep_alive = False
        self.loop.call_later(LINGER, self._close_if_waiting)

    def enforce(self, now: float) -> None:
        """Close the connection if its client takes too long for anything."""
        overdue = self._connection.overdue(now, self._limits.limits)
        if overdue is None:
            return
        connection = self._connection
        logger.debug("a connection is closed", client=connection.client, reason=overdue.value)
        if overdue is Overdue.HEADERS or connection.is_half_read:
            self._refuse(self._refusals.slow)
        else:  # its request has had a reply
            self._abort()

    def _receive(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._now = self.loop.time()  # one look at the clock for all that the parser calls
        super().data_received(data)
        connection = self._connection
        if connection.reading is not Reading.NOTHING:
            connection.received += len(data)
        if connection.requests > MOST_PIPELINED:
            self._abort()
        elif connection.reading is Reading.HEADERS and self._has_long_headers():
            self._refuse(self._refusals.long_headers)

    def _has_long_headers(self) -> bool:
        return self._connection.received > self._limits.limits.header_bytes

    def _refuse(self, reply: bytes) -> None:
        """Tell the client why, and close; what it does not read is dropped with the connection."""
        self._limits.remove(self._connection)
        self.transport.write(reply)
        self.transport.close()
        self.loop.call_later(1.0, self._abort)

    def _close_if_waiting(self) -> None:
        if self._connection.is_waiting():
            self.transport.close()

    def _abort(self) -> None:
        self._limits.remove(self._connection)
        self.transport.abort()
