"""Counts the open connections of each client, and finds connections that exceed a time limit.

This module does no I/O: `http_server.protocol` calls it for each event of a connection.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from itertools import islice
from typing import Final

from http_server.limits import Limits

EXEMPT: Final = frozenset({"127.0.0.1", "::1"})
"""Addresses to which the limits of one client do not apply: proxies and tools on this machine."""

MAX_SEARCHED: Final = 256
"""Maximum number of connections that are checked to find one that can be closed."""

_NO_WAITING: Final[AbstractAsyncContextManager[object]] = nullcontext()


class Reading(Enum):
    """The part of a request that the server is reading from a connection."""

    NOTHING = "nothing"
    HEADERS = "headers"
    BODY = "body"


class Overdue(Enum):
    """The time limit that a connection exceeds. It must then be closed."""

    HEADERS = "the headers did not arrive in time"
    BODY = "the body did not arrive in time"
    REPLY = "the reply was not read in time"
    IDLE = "no request arrived"


def no_operation() -> None:
    """Do nothing. This replaces a callback that is no longer needed."""


@dataclass(eq=False, slots=True)
class Connection:
    """One connection. Times are on the event loop's clock, in seconds.

    Attributes:
        client: the result of `client_of`; empty if only the limits of the server apply.
        close: closes the connection at once.
        since: time at which `reading` last changed or a request last ended.
        reading: the part of a request that the server is reading.
        received: bytes that have arrived since `reading` last changed.
        requests: number of requests with complete headers and an incomplete reply.
        writing_since: time at which the server began to write the current part of a reply; None
            while it writes none.
        is_half_read: whether the body of the active request has arrived in part only.
        is_active: whether a request of this connection waits for a thread or runs in one.
        buffered: bytes of request bodies in memory.
        pipelined_bytes: bytes of `buffered` that belong to requests after the active one.
        limit_reached: whether bytes of the active request were refused because of a limit.
        cancel: cancels the request that waits for a thread; called when the connection is lost.
    """

    client: str
    close: Callable[[], None]
    since: float
    reading: Reading = Reading.NOTHING
    received: int = 0
    requests: int = 0
    writing_since: float | None = None
    is_half_read: bool = False
    is_active: bool = False
    buffered: int = 0
    pipelined_bytes: int = 0
    limit_reached: bool = False
    cancel: Callable[[], object] = no_operation

    def begin_reading(self, reading: Reading, now: float) -> None:
        """Record that the server begins to read another part of a request."""
        self.reading = reading
        self.since = now
        self.received = 0

    def end_request(self, now: float) -> None:
        """Record that a reply is complete, and restart the time limits of reading."""
        self.requests -= 1
        self.writing_since = None
        self.since = now
        self.received = 0
        self.limit_reached = False
        self.cancel = no_operation

    def is_waiting(self) -> bool:
        """Return whether the connection has no request, so that the server may close it."""
        return not self.requests

    def may_be_refused(self) -> bool:
        """Return whether a refusal would be the next reply that the client expects.

        If replies to complete requests are due first, the client would assign the refusal to one of
        these requests.
        """
        if self.reading is Reading.BODY:
            return self.requests == 1 and self.is_half_read
        return not self.requests

    def overdue(self, now: float, limits: Limits) -> Overdue | None:
        """Return the time limit that the connection exceeds, None if it exceeds none.

        While an earlier request of the connection is in progress, the server does not read from the
        connection, so the time limits of reading do not apply.
        """
        if self.writing_since is not None and now - self.writing_since > limits.reply_time:
            return Overdue.REPLY
        waited = now - self.since
        if self.reading is Reading.BODY:
            if self.requests > (1 if self.is_half_read else 0):
                return None
            return self._body_overdue(waited, limits)
        if self.requests:
            return None
        if self.reading is Reading.HEADERS:
            return Overdue.HEADERS if waited > limits.header_time else None
        return Overdue.IDLE if waited > limits.idle_time else None

    def _body_overdue(self, waited: float, limits: Limits) -> Overdue | None:
        longest = limits.body_time if self.requests else limits.discard_time
        expected = limits.body_rate * (waited - limits.body_grace)
        return Overdue.BODY if waited > longest or self.received < expected else None


@dataclass(slots=True)
class _Usage:
    """The resources that one client uses, or that all clients use together."""

    connections: dict[Connection, None] = field(default_factory=dict)  # oldest first
    active: int = 0
    half_read: int = 0
    buffered: int = 0
    slots: asyncio.Semaphore | None = None


class Connections:
    """The open connections of a server, counted in total and by client. Not thread-safe.

    Attributes:
        is_stopping: whether the server is stopping.

    Args:
        limits: the server's limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_stopping = False
        self._all = _Usage()
        self._clients: dict[str, _Usage] = {}

    def __len__(self) -> int:
        return len(self._all.connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._all.connections))

    def client(self, address: str) -> str:
        """Return `client_of` an address; empty if only the limits of the server apply."""
        client = client_of(address)
        if not self.limits.per_client or address in EXEMPT or client in EXEMPT:
            return ""
        return client

    def add(self, connection: Connection) -> bool:
        """Count a new connection; return False if a limit is reached.

        If the client or the server has too many connections, the oldest connection without a
        request is closed first.
        """
        if connection.client:
            own = self._clients.get(connection.client)
            if own and len(own.connections) >= self.limits.connections_per_client:
                self._close_one(own)
                if len(own.connections) >= self.limits.connections_per_client:
                    return False
        if len(self) >= self.limits.connections:
            self._close_one(self._all)
            if len(self) >= self.limits.connections:
                return False
        for usage in self._usages(connection):
            usage.connections[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection; a second call has no effect.

        The bytes of the active request remain counted until the request ends.
        """
        if not self.is_open(connection):
            return
        self.end_body(connection)
        for usage in self._usages(connection):
            del usage.connections[connection]
        if not connection.is_active:
            self._release(connection, connection.buffered)
        self._forget_unused(connection.client)

    def is_open(self, connection: Connection) -> bool:
        """Return whether a connection is counted."""
        return connection in self._all.connections

    def begin_request(self, connection: Connection) -> None:
        """Record that a request is active: it waits for a thread or runs in one."""
        connection.is_active = True
        for usage in self._usages(connection):
            usage.active += 1

    def end_request(self, connection: Connection, now: float) -> None:
        """Record that the active request has ended, and that its body is no longer in memory."""
        connection.is_active = False
        connection.end_request(now)
        rest = connection.pipelined_bytes if self.is_open(connection) else 0
        self._release(connection, connection.buffered - rest)
        connection.pipelined_bytes = 0
        for usage in self._usages(connection):
            usage.active -= 1
        self._forget_unused(connection.client)

    def begin_body(self, connection: Connection) -> bool:
        """Count a body that has arrived in part; return False if a limit is reached."""
        if not self.is_open(connection):
            return False
        if self._all.half_read >= self.limits.half_read_bodies:
            return False
        own = self._clients.get(connection.client)
        if own and own.half_read >= self.limits.half_read_bodies_per_client:
            return False
        connection.is_half_read = True
        for usage in self._usages(connection):
            usage.half_read += 1
        return True

    def end_body(self, connection: Connection) -> None:
        """Stop counting a half-read body, which is complete or abandoned."""
        if connection.is_half_read:
            connection.is_half_read = False
            for usage in self._usages(connection):
                usage.half_read -= 1

    def buffer(self, connection: Connection, size: int) -> bool:
        """Count bytes of a body in memory; return False if a limit is reached."""
        if not self.is_open(connection):
            return False
        if self._all.buffered + size > self.limits.buffered_bytes:
            return False
        own = self._clients.get(connection.client)
        if own and own.buffered + size > self.limits.buffered_bytes_per_client:
            return False
        connection.buffered += size
        if connection.requests > 1:
            connection.pipelined_bytes += size
        for usage in self._usages(connection):
            usage.buffered += size
        return True

    def slots(self, connection: Connection) -> AbstractAsyncContextManager[object]:
        """Return the semaphore that limits the concurrent requests of a client."""
        own = self._clients.get(connection.client)
        if own is None:
            return _NO_WAITING
        if own.slots is None:
            own.slots = asyncio.Semaphore(self.limits.requests_per_client)
        return own.slots

    def _release(self, connection: Connection, size: int) -> None:
        connection.buffered -= size
        for usage in self._usages(connection):
            usage.buffered -= size

    def _usages(self, connection: Connection) -> tuple[_Usage, ...]:
        if not connection.client:
            return (self._all,)
        return self._all, self._clients.setdefault(connection.client, _Usage())

    def _forget_unused(self, client: str) -> None:
        own = self._clients.get(client)
        if own and not own.connections and not own.active:
            del self._clients[client]

    def _close_one(self, usage: _Usage) -> None:
        for connection in islice(list(usage.connections), MAX_SEARCHED):
            if connection.is_waiting():
                self.remove(connection)
                connection.close()
                return


@lru_cache(maxsize=4096)
def client_of(address: str) -> str:
    """Return the client of an address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
