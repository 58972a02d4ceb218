"""Counts the open connections by client, and finds those that are overdue.

Nothing here does I/O. The protocol reports what happens on a connection, and asks.
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
"""Addresses without limits of their own: proxies and tools on this machine."""

SEARCHED: Final = 256
"""Connections that are looked at for one to close when there are too many."""


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
    """Do nothing, in place of something that has become pointless."""


@dataclass(eq=False, slots=True)
class Connection:
    """One connection. Times are on the event loop's clock, in seconds.

    Attributes:
        client: the client as limits count it; empty where only the limits of all apply.
        close: closes the connection at once.
        since: when `reading` last changed, or a request last ended.
        reading: what arrives now.
        received: bytes that have arrived in this state of `reading`.
        requests: requests with complete headers whose reply is not complete.
        writing_since: when the part of a reply that is being written was handed over.
        is_half_read: whether the body of its request has arrived in part.
        is_active: whether the application, or what hands requests to it, has a request of it.
        buffered: bytes of bodies in memory.
        ahead: those of them that belong to requests behind the active one.
        has_no_room: whether a limit kept bytes of the active request out.
        cancel: takes back the request that waits for a thread, when the connection is lost.
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
        """Note that something else arrives from now on."""
        self.reading = reading
        self.since = now
        self.received = 0

    def end_request(self, now: float) -> None:
        """Note that a reply is complete. The time limits of what arrives begin again now."""
        self.requests -= 1
        self.writing_since = None
        self.since = now
        self.received = 0
        self.has_no_room = False
        self.cancel = nothing

    def is_waiting(self) -> bool:
        """Tell whether no request of it is under way: it may be closed for another one."""
        return not self.requests

    def may_be_refused(self) -> bool:
        """Tell whether a refusal would be read as the reply to the request that arrives."""
        if self.reading is Reading.BODY:
            return self.requests == 1 and self.is_half_read
        return not self.requests

    def overdue(self, now: float, limits: Limits) -> Overdue | None:
        """Return why the connection has to be closed, None while it may stay.

        A client is not to blame while an earlier request of it is under way: nothing is read then.
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
    """What one client, or all of them, use."""

    connections: dict[Connection, None] = field(default_factory=dict)  # the oldest first
    active: int = 0
    half_read: int = 0
    buffered: int = 0
    slots: asyncio.Semaphore | None = None


class Connections:
    """All open connections of a server, counted in all and by client. For one thread.

    Attributes:
        is_stopping: whether the server is about to end.

    Args:
        limits: of the server.
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
        """Return the client that an address belongs to, empty where only all are limited."""
        client = client_of(address)
        if not self.limits.per_client or address in EXEMPT or client in EXEMPT:
            return ""
        return client

    def add(self, connection: Connection) -> bool:
        """Take a new connection; return whether there is room for it.

        Where there are too many, the oldest one without a request is closed for it, of the same
        client where that one has too many.
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
        """Forget a connection; a second time changes nothing.

        The bytes of its active request stay counted until that ends.
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
        """Tell whether a connection is still counted."""
        return connection in self._all.connections

    def begin_request(self, connection: Connection) -> None:
        """Note that a request is handed over."""
        connection.is_active = True
        for use in self._uses(connection):
            use.active += 1

    def end_request(self, connection: Connection, now: float) -> None:
        """Note that the request handed over has ended, and that its body is no longer in memory."""
        connection.is_active = False
        connection.end_request(now)
        rest = connection.ahead if self.is_open(connection) else 0
        self._release(connection, connection.buffered - rest)
        connection.ahead = 0
        for use in self._uses(connection):
            use.active -= 1
        self._forget_unused(connection.client)

    def begin_body(self, connection: Connection) -> bool:
        """Note that the body of a request is there in part; return whether there is room for it."""
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
        """Note that a body is complete, or that it never will be."""
        if connection.is_half_read:
            connection.is_half_read = False
            for use in self._uses(connection):
                use.half_read -= 1

    def buffer(self, connection: Connection, size: int) -> bool:
        """Note bytes of a body that have arrived; return whether there is room for them."""
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
        """Return the semaphore that limits the requests of a client that are worked on."""
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
    """Return what limits count as one client: an IPv4 address, or a network of 64 bits in IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
