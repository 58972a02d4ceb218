"""The time limits of all connections to PostgreSQL, Redis and NATS, one row for each kind.

A server, a network or a client can fail without closing a connection. TCP detects lost packets: by
keepalive on an idle connection, by ``TCP_USER_TIMEOUT`` on one with unacknowledged bytes. It does
not detect a frozen server, whose kernel still acknowledges. The limit of a reply detects it.
"""

import socket
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Time limits of one kind of connection, in seconds.

    Attributes:
        connect: for a new connection, with TLS and log-in, to all addresses of the host together.
            libpq takes whole seconds; before release 17 it waits 2 s at least. The resolution of
            the host's name has no limit but that of the operating system.
        reply: for a reply, in addition to the time that a blocking command waits at the server. For
            PostgreSQL, the maximum time of one use of a connection. None for no limit.
        keepalive_idle: time without a packet before the first keepalive probe.
        keepalive_interval: time between two probes.
        keepalive_count: number of unanswered probes after which the connection is closed.
        unacknowledged: time for which sent bytes may stay unacknowledged (``TCP_USER_TIMEOUT``).
        pool_wait: maximum time to wait for a free connection of a pool. The deadline of the request
            may be earlier.
    """

    connect: float
    reply: float | None
    keepalive_idle: int = 5
    keepalive_interval: int = 2
    keepalive_count: int = 3
    unacknowledged: float = 10.0
    pool_wait: float = 2.0

    def libpq(self) -> dict[str, Any]:
        """Return the parameters of libpq: time to connect, keepalive, ``TCP_USER_TIMEOUT``."""
        return {
            "connect_timeout": max(1, round(self.connect)),
            "keepalives_idle": self.keepalive_idle,
            "keepalives_interval": self.keepalive_interval,
            "keepalives_count": self.keepalive_count,
            "tcp_user_timeout": round(self.unacknowledged * 1000),
        }

    def socket_options(self) -> dict[int, int]:
        """Return TCP options by number, as ``socket_keepalive_options`` of redis-py and kombu.

        An option that the operating system does not have is left out.
        """
        values = {
            "TCP_KEEPIDLE": self.keepalive_idle,
            "TCP_KEEPINTVL": self.keepalive_interval,
            "TCP_KEEPCNT": self.keepalive_count,
            "TCP_USER_TIMEOUT": round(self.unacknowledged * 1000),
        }
        numbers = {name: getattr(socket, name, None) for name in values}
        return {number: values[name] for name, number in numbers.items() if number is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLimits(ConnectionLimits):
    """Time limits of a connection to PostgreSQL, in seconds; None for no limit.

    The server enforces the limits of this class, and uses the same TCP options to detect that the
    client has failed. So a client that has failed or is stopped does not keep its locks.

    Attributes:
        statement: for a statement, unless its transaction has a limit of its own.
        lock: for a lock that a statement waits for.
        idle_in_transaction: for a transaction without a statement.
    """

    statement: float | None = None
    lock: float | None = None
    idle_in_transaction: float | None = None

    def libpq(self) -> dict[str, Any]:
        """Return the parameters of libpq, with the server's settings in ``options``."""
        settings = {
            "statement_timeout": _milliseconds(self.statement),
            "lock_timeout": _milliseconds(self.lock),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_in_transaction),
            "tcp_keepalives_idle": self.keepalive_idle,
            "tcp_keepalives_interval": self.keepalive_interval,
            "tcp_keepalives_count": self.keepalive_count,
        }
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a server without it logs an error
            settings["tcp_user_timeout"] = _milliseconds(self.unacknowledged)
        return {
            # `super()` without arguments does not work in a class with slots.
            **ConnectionLimits.libpq(self),
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items() if value),
        }


def _milliseconds(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)


POSTGRES_FRONT_END: Final = PostgresLimits(
    connect=3, reply=10.0, statement=10.0, lock=5.0, idle_in_transaction=15.0
)
"""A front end's connections. A request's deadline ends a use of a connection earlier."""

POSTGRES_WORKER: Final = PostgresLimits(
    connect=5, reply=25.0, statement=20.0, lock=10.0, idle_in_transaction=30.0
)
"""A worker's connections. Celery's time limit of a task is 25 s, too."""

POSTGRES_COMMAND: Final = PostgresLimits(connect=3, reply=None)
"""The connections of commands and migrations, whose statements may take hours."""

REDIS_REQUEST: Final = ConnectionLimits(connect=1.0, reply=1.0)
"""Commands of a front end's requests, and commands that measure: pings, the clock of Redis."""

REDIS_COMMAND: Final = ConnectionLimits(connect=2.0, reply=5.0)
"""Commands of workers, the scheduler and the command line."""

REDIS_STATUS: Final = ConnectionLimits(connect=2.0, reply=2.0)
"""Commands of ``acoustid status``, and the check of Redis at the start of a process."""

REDIS_BLOCKING: Final = ConnectionLimits(connect=2.0, reply=5.0)
"""Commands that wait at the server, such as ``BLPOP``; `reply` is added to the wait."""

REDIS_REPLIES: Final = ConnectionLimits(connect=1.0, reply=2.0)
"""The connections for the replies to lookups: a worker's pushes, a front end's ``BLPOP``."""

REDIS_PUBLISH: Final = ConnectionLimits(connect=1.0, reply=2.0)
"""A front end's connection for messages to the workers, for which a client waits."""

BROKER: Final = ConnectionLimits(connect=2.0, reply=3.0)
"""Connections of workers and beat: messages, results, heartbeats, schedule.

A worker uses several of them in turn, so their sum delays it after a dead link. Their blocking
reads take up to 1 s.
"""


@dataclass(frozen=True, slots=True)
class NatsLimits:
    """Time limits of the connection to NATS, in whole seconds as nats-py takes them.

    A server or a link that fails without closing the connection is detected by unanswered pings,
    after ``ping_interval * (unanswered_pings + 1)`` seconds at most.

    Attributes:
        connect: for each step of a new connection: all addresses of the host, the greeting, the TLS
            handshake, the log-in.
        reply: for a reply of JetStream.
        ping_interval: time between two pings.
        unanswered_pings: number of unanswered pings after which the connection is given up.
    """

    connect: int
    reply: int
    ping_interval: int
    unanswered_pings: int


NATS: Final = NatsLimits(connect=2, reply=5, ping_interval=3, unanswered_pings=2)
"""The connections of ``acoustid ingest``."""
