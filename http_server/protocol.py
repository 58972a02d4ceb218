"""Adds limits on connections and requests to uvicorn's HTTP protocol.

`LimitedProtocol` overrides the methods of `asyncio.Protocol`, the callbacks of httptools' parser,
`shutdown`, which uvicorn's server calls, and `send_400_response`, which sends uvicorn's refusal.
"""

import asyncio
from collections import deque
from typing import Any, Final

import structlog
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from http_server.connections import Connection, Connections, Overdue, Reading, no_operation
from http_server.replies import Refusals

SLICE: Final = 16 * 1024
"""Bytes that are parsed in one call. Received data can contain thousands of small requests."""

MAX_PIPELINED: Final = 100
"""Maximum number of requests that a client may send before it gets the replies (pipelining)."""

MAX_HEADERS: Final = 100
"""Maximum number of headers of one request."""

LINGER: Final = 1.0
"""Seconds for which a connection without a request stays open when the server stops.

A request that arrives in this time gets a reply. Without this time its connection would be reset.
"""

REFUSAL_TIME: Final = 2.0
"""Seconds in which a client must read a refusal, after which its connection is reset."""

logger = structlog.get_logger("acoustid.http_server.protocol")


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        connections: counts the connection.
        refusals: replies for exceeded limits.
        config: the configuration of uvicorn's server.
        server_state: the state of uvicorn's server.
        app_state: uvicorn's state for the application; each connection has a copy.
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
        self._connections = connections
        self._refusals = refusals
        self._connection = Connection("", self._abort, self.loop.time())
        self._now = self._connection.since
        self._headers_left = MAX_HEADERS
        self._since_body = 0
        self._unanswered: deque[RequestResponseCycle] = deque()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; refuse it if there are too many."""
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self._connection.client = self._connections.client(address[0] if address else "")
        self.app_state["connection"] = self._connection
        if not self._connections.add(self._connection):
            transport.write(self._refusals.full)
            transport.close()
        elif self._connections.is_stopping:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection, and cancel its requests."""
        del exc  # all reasons have the same effect
        self._connections.remove(self._connection)
        self._connection.cancel()
        # Given an exception, uvicorn does not stop its timer, which keeps this object in memory.
        super().connection_lost(None)
        for cycle in self._unanswered:  # uvicorn sets this for the last cycle only
            cycle.disconnected = True
        # Remove all references to this object, so that it is freed without garbage collection.
        self._unanswered.clear()
        self.app_state.clear()
        self._connection.close = no_operation

    def eof_received(self) -> None:
        """Refuse a request that is incomplete; uvicorn closes the connection."""
        connection = self._connection
        if connection.reading is Reading.NOTHING or self.transport.is_closing():
            return
        if connection.may_be_refused():
            self.transport.write(self._refusals.incomplete)

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes in slices of `SLICE` bytes."""
        if len(data) <= SLICE:
            self._receive(data)
            return
        for start in range(0, len(data), SLICE):
            self._receive(data[start : start + SLICE])

    def on_message_begin(self) -> None:
        """Record that a request begins."""
        self._connection.begin_reading(Reading.HEADERS, self._now)
        self._headers_left = MAX_HEADERS
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; ignore trailers of a chunked body, and headers over the limit."""
        if self._connection.reading is Reading.BODY:
            self._since_body += len(name) + len(value)
            return
        self._headers_left -= 1
        if self._headers_left >= 0:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Record that the headers of a request are complete."""
        self._connection.requests += 1
        self._connection.begin_reading(Reading.BODY, self._now)
        self._since_body = 0
        super().on_headers_complete()
        while self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        self._unanswered.append(self.cycle)
        if self._connections.is_stopping:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Count a part of a body. uvicorn discards it if the reply to the request is complete."""
        self._since_body = 0
        connection = self._connection
        if connection.requests and not self._connections.buffer(connection, len(body)):
            if connection.requests > 1:
                self._abort()
                return
            connection.limit_reached = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Record that a request is complete."""
        self._connection.begin_reading(Reading.NOTHING, self._now)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP."""
        del msg  # uvicorn's message, which `Refusals.malformed` replaces
        is_body = self._connection.reading is Reading.BODY
        self._refuse(self._refusals.malformed, is_new=is_body and self._is_new())

    def shutdown(self) -> None:
        """Close the connection after its requests, or after `LINGER` seconds without a request."""
        if self._connection.requests:
            self.cycle.keep_alive = False
        self.loop.call_later(LINGER, self._close_if_waiting)

    def enforce(self, now: float) -> None:
        """Close the connection if its client exceeds a time limit."""
        overdue = self._connection.overdue(now, self._connections.limits)
        if overdue is None:
            return
        logger.debug("a connection is closed", client=self._connection.client, reason=overdue.value)
        if overdue in (Overdue.HEADERS, Overdue.BODY):
            self._refuse(self._refusals.slow)
        else:
            self._abort()

    def _receive(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._now = self.loop.time()  # once for all callbacks of the parser
        super().data_received(data)
        connection = self._connection
        if connection.reading is not Reading.NOTHING:
            connection.received += len(data)
            self._since_body += len(data)
        if connection.requests > MAX_PIPELINED:
            self._abort()
        elif self._has_long_headers():
            self._refuse(self._refusals.long_headers, is_new=self._is_new())

    def _has_long_headers(self) -> bool:
        longest = self._connections.limits.header_bytes
        if self._headers_left < 0:
            return True
        if self._connection.reading is Reading.HEADERS:
            return self._connection.received > longest
        # In a chunked body, chunk sizes come between the parts, and trailers after the last part.
        return self._connection.reading is Reading.BODY and self._since_body > longest + SLICE

    def _is_new(self) -> bool:
        """Return whether the connection has exactly one request, which is not active yet."""
        return self._connection.requests == 1 and not self._connection.is_active

    def _refuse(self, reply: bytes, *, is_new: bool = False) -> None:
        """Send a refusal and close the connection.

        If the client could assign the refusal to another request, the connection is only closed.

        Args:
            reply: the refusal.
            is_new: whether the refusal replies to a request that is not active yet.
        """
        connection = self._connection
        if self.transport.is_closing() or not (connection.may_be_refused() or is_new):
            self._abort()
            return
        self._connections.remove(connection)
        self.transport.write(reply)
        self.transport.close()
        self.loop.call_later(REFUSAL_TIME, self._abort)  # a client may never read the reply

    def _close_if_waiting(self) -> None:
        if self._connection.is_waiting():
            self.transport.close()

    def _abort(self) -> None:
        self._connections.remove(self._connection)
        self.transport.abort()
