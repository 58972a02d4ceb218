"""Counts the open connections by client, and finds connections that exceed a time limit.

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

SEARCHED: Final = 256
"""Connections that are searched for one to close when there are too many."""


_NO_WAITING: Final[AbstractAsyncContextManager[object]] = nullcontext()


class Reading(Enum):
    """What the server is reading from a connection."""

    NOTHING = "nothing"
    HEADERS = "headers"
    BODY = "body"


class Overdue(Enum):
    """Why a connection has to be closed."""

    HEADERS = "the headers did not arrive in time"
    BODY = "the body did not arrive in time"
    REPLY = "the reply was not read in time"
    IDLE = "no request arrived"


def nothing() -> None:
    """Do nothing, in place of a callback that is no longer needed."""


@dataclass(eq=False, slots=True)
class Connection:
    """One connection. Times are on the event loop's clock, in seconds.

    Attributes:
        client: the client as limits count it; empty if only the limits of the server apply.
        close: closes the connection at once.
        since: when `reading` last changed, or a request last ended.
        reading: the part of a request that arrives now.
        received: bytes that have arrived since `reading` last changed.
        requests: requests with complete headers and an incomplete reply.
        writing_since: when the server began to write the current part of a reply.
        is_half_read: whether the body of its request has arrived in part.
        is_active: whether a request of it waits for a thread or runs in one.
        buffered: bytes of bodies in memory.
        ahead: bytes of `buffered` that belong to requests after the active one.
        has_no_room: whether a limit refused bytes of the active request.
        cancel: cancels the request that waits for a thread, when the connection is lost.
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
    ahead: int = 0
    has_no_room: bool = False
    cancel: Callable[[], object] = nothing

    def begin_reading(self, reading: Reading, now: float) -> None:
        """Note that another part of a request arrives from now on."""
        self.reading = reading
        self.since = now
        self.received = 0

    def end_request(self, now: float) -> None:
        """Note that a reply is complete. The time limits of reading begin again now."""
        self.requests -= 1
        self.writing_since = None
        self.since = now
        self.received = 0
        self.has_no_room = False
        self.cancel = nothing

    def is_waiting(self) -> bool:
        """Tell whether the connection has no request, so that it may be closed for another one."""
        return not self.requests

    def may_be_refused(self) -> bool:
        """Tell whether the client would take a refusal for the reply to its incomplete request."""
        if self.reading is Reading.BODY:
            return self.requests == 1 and self.is_half_read
        return not self.requests

    def overdue(self, now: float, limits: Limits) -> Overdue | None:
        """Return the time limit that the connection exceeds, None if it exceeds none.

        While an earlier request of the connection is in progress, the server does not read from it,
        so no limit of reading applies.
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
class _Use:
    """The resources that one client uses, or all clients together."""

    connections: dict[Connection, None] = field(default_factory=dict)  # oldest first
    active: int = 0
    half_read: int = 0
    buffered: int = 0
    slots: asyncio.Semaphore | None = None


class Connections:
    """All open connections of a server, counted in total and by client. For one thread.

    Attributes:
        is_stopping: whether the server is stopping.

    Args:
        limits: the server's limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_stopping = False
        self._all = _Use()
        self._clients: dict[str, _Use] = {}

    def __len__(self) -> int:
        return len(self._all.connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._all.connections))

    def client(self, address: str) -> str:
        """Return the client of an address; empty if only the limits of the server apply."""
        client = client_of(address)
        if not self.limits.per_client or address in EXEMPT or client in EXEMPT:
            return ""
        return client

    def add(self, connection: Connection) -> bool:
        """Count a new connection; return False if there is no room for it.

        If the client or the server has too many connections, its oldest one without a request is
        closed first.
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
        for use in self._uses(connection):
            use.connections[connection] = None
        return True

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection; calling it again has no effect.

        The bytes of its active request stay counted until the request ends.
        """
        if not self.is_open(connection):
            return
        self.end_body(connection)
        for use in self._uses(connection):
            del use.connections[connection]
        if not connection.is_active:
            self._release(connection, connection.buffered)
        self._forget_unused(connection.client)

    def is_open(self, connection: Connection) -> bool:
        """Tell whether a connection is counted."""
        return connection in self._all.connections

    def begin_request(self, connection: Connection) -> None:
        """Note that a request has been passed to the application."""
        connection.is_active = True
        for use in self._uses(connection):
            use.active += 1

    def end_request(self, connection: Connection, now: float) -> None:
        """Note that the active request has ended, and that its body is no longer in memory."""
        connection.is_active = False
        connection.end_request(now)
        rest = connection.ahead if self.is_open(connection) else 0
        self._release(connection, connection.buffered - rest)
        connection.ahead = 0
        for use in self._uses(connection):
            use.active -= 1
        self._forget_unused(connection.client)

    def begin_body(self, connection: Connection) -> bool:
        """Note that a body has arrived in part; return False if there is no room for it."""
        if not self.is_open(connection):
            return False
        if self._all.half_read >= self.limits.half_read_bodies:
            return False
        own = self._clients.get(connection.client)
        if own and own.half_read >= self.limits.half_read_bodies_per_client:
            return False
        connection.is_half_read = True
        for use in self._uses(connection):
            use.half_read += 1
        return True

    def end_body(self, connection: Connection) -> None:
        """Note that a body is complete, or was given up."""
        if connection.is_half_read:
            connection.is_half_read = False
            for use in self._uses(connection):
                use.half_read -= 1

    def buffer(self, connection: Connection, size: int) -> bool:
        """Note bytes of a body that have arrived; return False if there is no room for them."""
        if not self.is_open(connection):
            return False
        if self._all.buffered + size > self.limits.buffered_bytes:
            return False
        own = self._clients.get(connection.client)
        if own and own.buffered + size > self.limits.buffered_bytes_per_client:
            return False
        connection.buffered += size
        if connection.requests > 1:
            connection.ahead += size
        for use in self._uses(connection):
            use.buffered += size
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
        for use in self._uses(connection):
            use.buffered -= size

    def _uses(self, connection: Connection) -> Iterator[_Use]:
        yield self._all
        if connection.client:
            yield self._clients.setdefault(connection.client, _Use())

    def _forget_unused(self, client: str) -> None:
        own = self._clients.get(client)
        if own and not own.connections and not own.active:
            del self._clients[client]

    def _close_one(self, use: _Use) -> None:
        for connection in islice(list(use.connections), SEARCHED):
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
