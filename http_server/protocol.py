"""uvicorn's HTTP protocol with limits on connections and requests.

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

from http_server.connections import Connection, Connections, Overdue, Reading, nothing
from http_server.replies import Refusals

SLICE: Final = 16 * 1024
"""Bytes that are parsed at a time. One read can contain thousands of small requests."""

MOST_PIPELINED: Final = 100
"""Requests that a client may send before it gets the replies (pipelining)."""

MOST_HEADERS: Final = 100
"""Headers of one request."""

LINGER: Final = 2.0
"""Seconds that a connection without a request stays open when the server stops.

A client that sends its next request in this time gets a reply; otherwise its connection would be
reset.
"""

logger = structlog.get_logger("acoustid.http_server.protocol")


class LimitedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        connections: counts the connection.
        refusals: replies for exceeded limits.
        config: uvicorn's.
        server_state: uvicorn's.
        app_state: uvicorn's state for the application.
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
        self._headers_left = MOST_HEADERS
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
        del exc  # the reason does not matter
        self._connections.remove(self._connection)
        self._connection.cancel()
        # With an exception, uvicorn leaves its timer running, which keeps this object in memory.
        super().connection_lost(None)
        for cycle in self._unanswered:  # uvicorn does so for the last one only
            cycle.disconnected = True
        # These refer to this object. Without them it is freed now, without garbage collection.
        self._unanswered.clear()
        self.app_state.clear()
        self._connection.close = nothing

    def eof_received(self) -> None:
        """Refuse a request that is incomplete; uvicorn closes the connection."""
        connection = self._connection
        if connection.reading is Reading.NOTHING or self.transport.is_closing():
            return
        if connection.may_be_refused():
            self.transport.write(self._refusals.incomplete)

    def data_received(self, data: bytes) -> None:
        """Parse the received bytes, a slice at a time."""
        if len(data) <= SLICE:
            self._receive(data)
            return
        for start in range(0, len(data), SLICE):
            self._receive(data[start : start + SLICE])

    def on_message_begin(self) -> None:
        """Note the first byte of a request."""
        self._connection.begin_reading(Reading.HEADERS, self._now)
        self._headers_left = MOST_HEADERS
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
        """Note that the headers of a request are complete."""
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
            connection.has_no_room = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the last byte of a request."""
        self._connection.begin_reading(Reading.NOTHING, self._now)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP."""
        del msg  # uvicorn's own message
        is_body = self._connection.reading is Reading.BODY
        self._refuse(self._refusals.malformed, is_new=is_body and self._is_new())

    def shutdown(self) -> None:
        """Answer the requests in progress and those of the next `LINGER` seconds, then close."""
        self._connections.is_stopping = True
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
        self._now = self.loop.time()  # read once for all callbacks of the parser
        super().data_received(data)
        connection = self._connection
        if connection.reading is not Reading.NOTHING:
            connection.received += len(data)
            self._since_body += len(data)
        if connection.requests > MOST_PIPELINED:
            self._abort()
        elif self._has_long_headers():
            self._refuse(self._refusals.long_headers, is_new=self._is_new())

    def _has_long_headers(self) -> bool:
        longest = self._connections.limits.header_bytes
        if self._headers_left < 0:
            return True
        if self._connection.reading is Reading.HEADERS:
            return self._connection.received > longest
        # Sizes of chunks separate the parts of a body; trailers follow the last one.
        return self._connection.reading is Reading.BODY and self._since_body > longest + SLICE

    def _is_new(self) -> bool:
        """Tell whether the connection has one request, which is not active yet."""
        return self._connection.requests == 1 and not self._connection.is_active

    def _refuse(self, reply: bytes, *, is_new: bool = False) -> None:
        """Send a refusal and close, or only close if the client could take it for another reply.

        Args:
            reply: the refusal.
            is_new: whether it replies to a request that has just arrived.
        """
        connection = self._connection
        if self.transport.is_closing() or not (connection.may_be_refused() or is_new):
            self._abort()
            return
        self._connections.remove(connection)
        self.transport.write(reply)
        self.transport.close()  # the next check ends the connection even if the reply is not read
        self.loop.call_later(LINGER, self._abort)

    def _close_if_waiting(self) -> None:
        if self._connection.is_waiting():
            self.transport.close()

    def _abort(self) -> None:
        self._connections.remove(self._connection)
        self.transport.abort()
