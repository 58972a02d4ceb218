"""Connection pools of PostgreSQL whose waits all have limits.

SQLAlchemy's ping before each use of a connection takes a round trip, as much time as the statement
of a lookup. When a server stops or closes a connection, the socket becomes readable. So a
connection is pinged only if its socket is readable, if it was idle for `PING_AFTER_IDLE` seconds,
or if another use of its server has not ended in time since.
While the circuit is not closed, each is pinged: the reply closes it. So the trial of a database
takes a round trip, however long the statements take.

======================  ==========================================================================
wait                    limit
======================  ==========================================================================
for a free connection   `Guard.pool_wait`, or the deadline if it is earlier
for a new connection    `ConnectionLimits.connect`, or the deadline if it is earlier
for a ping              `PING_TIME`, or the deadline if it is earlier
for statements          the deadline, at most `ConnectionLimits.reply` for one use of a connection
======================  ==========================================================================
"""

import math
import select
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event, exc
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from pipeline.runtime.links.circuit import Circuit
from pipeline.runtime.links.connection_limits import ConnectionLimits
from pipeline.runtime.links.deadline import current_deadline
from pipeline.runtime.links.free_connections import FreeConnections
from pipeline.runtime.links.host_addresses import connect_in_time
from pipeline.runtime.links.watchdog import Use, Watchdog, duplicate

PING_AFTER_IDLE: Final = 1.0
"""Idle seconds after which a connection is pinged. Its network may have failed since."""

PING_TIME: Final = 2.0
"""Maximum time in seconds of a ping."""

GRACE: Final = 0.5
"""Seconds after the deadline in which the server can still report that it cancelled a statement."""

SLOW_FAILURE: Final = 0.5
"""Seconds after which a failed attempt to connect opens the circuit; a faster one costs little."""

SHORTEST_CONNECT: Final = 0.3
"""Seconds before the deadline in which no new connection is tried: libpq takes whole seconds."""

_POOL_IS_FULL: Final = "3o7r"
"""SQLAlchemy's code of the error that all connections of a pool are in use."""

_LINK: Final = "acoustid_link"
_USE: Final = "acoustid_use"
_USED: Final = "acoustid_last_checkout"


class DatabaseAwayError(exc.TimeoutError):
    """A database is refused, because it was unreachable a moment ago.

    Attributes:
        retry_after: seconds until the next attempt to reach it.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(slots=True)
class Server:
    """A PostgreSQL server, whose connections belong to several pools.

    Attributes:
        doubted: the time at which a use of one of its connections did not end in time, on the
            monotonic clock. Its network may have failed, so each connection that was used before is
            pinged at its next use. Otherwise each pool would wait for a dead one.
    """

    doubted: float = -math.inf


@dataclass(frozen=True, slots=True)
class Guard:
    """Limits the waits of one pool. Its methods handle the events of the pool.

    Attributes:
        limits: the time limits of its connections.
        watchdog: ends the uses that exceed their limit.
        circuit: refuses the database while it is unreachable.
        server: the server of the database.
        pings: whether idle connections are pinged before a use.
        pool_wait: maximum seconds to wait for a free connection; the pool itself has none.
        free: wakes the threads that wait for one.
    """

    limits: ConnectionLimits
    watchdog: Watchdog
    circuit: Circuit
    server: Server
    pings: bool
    pool_wait: float
    free: FreeConnections = field(default_factory=FreeConnections)

    def pool_class(self) -> type[QueuePool]:
        """Return the class of the pool, which refuses uses that can't succeed in time."""
        guard = self

        class GuardedPool(QueuePool):
            """A pool that refuses a use while the database is away or the time is over."""

            def connect(self) -> PoolProxiedConnection:
                until = 0.0
                while True:
                    attempt = guard.admit()
                    try:
                        return super().connect()
                    except exc.InvalidRequestError:  # several connections replied to no ping
                        guard.circuit.withdraw(attempt)
                        raise DatabaseAwayError(f"{guard.circuit.name} does not reply") from None
                    except BaseException as error:
                        guard.circuit.withdraw(attempt)  # nothing changes if it has reported
                        if not isinstance(error, exc.TimeoutError) or error.code != _POOL_IS_FULL:
                            raise
                    until = until or min(current_deadline(), time.monotonic() + guard.pool_wait)
                    guard.await_free_connection(self, until)

        return GuardedPool

    def listen(self, engine: sqlalchemy.Engine) -> None:
        """Handle the events of an engine's pool."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(
            engine,
            "checkout",
            lambda connection, record, _: self._begin(engine, connection, record),
        )
        event.listen(engine, "checkin", self._end)
        event.listen(engine, "detach", self._close)
        event.listen(engine, "close", self._close)

    def await_free_connection(self, pool: QueuePool, until: float) -> None:
        """Wait until a pool may have a free connection.

        Raises:
            sqlalchemy.exc.TimeoutError: none is free before a time on the monotonic clock.
        """
        while self.free.wait(until):
            if pool.checkedout() < pool.size():
                return
        raise exc.TimeoutError(f"all {pool.size()} connections of the pool are in use")

    def admit(self) -> int:
        """Return the number of an attempt to use the database.

        Raises:
            DatabaseAwayError: the circuit is open.
            sqlalchemy.exc.TimeoutError: the deadline has passed.
        """
        deadline = current_deadline()
        if deadline < math.inf and deadline <= time.monotonic():
            raise exc.TimeoutError("the deadline has passed")
        attempt = self.circuit.attempt()
        if not attempt:
            seconds = self.circuit.retry_after()
            raise DatabaseAwayError(
                f"{self.circuit.name} was unreachable; the next attempt is in {seconds:.1f} s",
                seconds,
            )
        return attempt

    def _connect(self, dialect: Any, record: Any, arguments: Any, parameters: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's event
        """Return a new connection, whose first statements are watched, too."""
        begun, attempt = time.monotonic(), self.circuit.number
        left = current_deadline() - begun
        if left < SHORTEST_CONNECT:
            raise exc.TimeoutError("there is no time for a new connection before the deadline")
        try:
            connection = connect_in_time(
                partial(dialect.connect, *arguments),
                parameters,
                min(left, self.limits.connect),
                dialect.loaded_dbapi.Error,
            )
        except Exception:
            if not self.circuit.is_closed or time.monotonic() - begun >= SLOW_FAILURE:
                self.circuit.failed(attempt)
            raise
        self.circuit.succeeded()
        if record is not None:
            record.info[_USED] = time.monotonic()
            record.info[_LINK] = duplicate(connection.fileno())
            until = min(time.monotonic() + self.limits.connect, current_deadline() + GRACE)
            self._watch(record, until)
        return connection

    def _begin(self, engine: sqlalchemy.Engine, connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's
        now = time.monotonic()
        used = record.info.get(_USED, now)
        record.info[_USED] = now
        must_ping = used < self.server.doubted or not self.circuit.is_closed
        if self.pings:
            must_ping = must_ping or now - used > PING_AFTER_IDLE or _is_readable(connection)
        if must_ping:
            self._ping(engine, connection, record)
        until = min(current_deadline() + GRACE, now + (self.limits.reply or math.inf))
        self._watch(record, until)

    def _ping(self, engine: sqlalchemy.Engine, connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's
        """Raise an error that lets the pool replace its connections, unless the server replies."""
        begun, attempt = time.monotonic(), self.circuit.number
        self._watch(record, min(begun + PING_TIME, current_deadline() + GRACE))
        if _replies_to_ping(engine, connection):
            self.circuit.succeeded()
            return
        # A new connection follows. There may be no time for it, so a slow failure counts here.
        if not self.circuit.is_closed and time.monotonic() - begun >= SLOW_FAILURE:
            self.circuit.failed(attempt)
        raise exc.InvalidatePoolError

    def _watch(self, record: Any, until: float) -> None:  # noqa: ANN401 - SQLAlchemy's
        """Set the end of the current use of a connection; infinity for no end."""
        before = record.info.pop(_USE, None)
        if before is not None:
            self.watchdog.end(before)
        if until < math.inf:
            use = record.info[_USE] = Use(until, record.info[_LINK])
            self.watchdog.begin(use)

    def _end(self, connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's
        if self._is_late(record):
            record.invalidate()  # its socket is shut down
        elif connection is not None:
            self.circuit.succeeded()
        self.free.announce()

    def _close(self, _connection: Any, record: Any) -> None:  # noqa: ANN401 - the driver's
        self._is_late(record)
        link = record.info.pop(_LINK, None)
        if link is not None:
            link.close()

    def _is_late(self, record: Any) -> bool:  # noqa: ANN401 - SQLAlchemy's
        """End the current use of a connection; return whether the watchdog has ended it before."""
        use: Use | None = record.info.pop(_USE, None)
        if use is None or self.watchdog.end(use):
            return False
        self.circuit.timed_out()
        self.server.doubted = time.monotonic()
        return True


def _is_readable(connection: Any) -> bool:  # noqa: ANN401 - the driver's
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _replies_to_ping(engine: sqlalchemy.Engine, connection: Any) -> bool:  # noqa: ANN401 - the driver's
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False
