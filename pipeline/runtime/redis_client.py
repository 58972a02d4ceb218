"""Clients of Redis with timeouts and retries that suit this service.

By default, redis-py waits 5 s for a reply and retries ten times. A ``BLPOP`` of 8 s then always
times out, and an outage blocks the caller for a minute.
"""

from typing import Final

import redis
from redis.backoff import ConstantBackoff, NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from pipeline.settings.sections import RedisSettings

REDIS_UNREACHABLE: Final = (RedisConnectionError, RedisTimeoutError)
"""Raised when Redis is unreachable or does not reply in time."""

CONNECT_TIMEOUT = 2.0
"""Seconds to wait for a connection."""

REPLY_TIMEOUT = 5.0
"""Seconds to wait for the reply to a command, in addition to the timeout of a blocking command."""

LONGEST_WAIT = 30.0
"""Default of the maximum timeout of a blocking command, in seconds."""

MAX_CONNECTIONS = 1024
"""Maximum number of connections of a client. Processes have fewer threads, so no command waits."""


def connect(
    settings: RedisSettings,
    *,
    blocking: bool = False,
    db: int | None = None,
    wait: float = LONGEST_WAIT,
    timeout: float = REPLY_TIMEOUT,
    keeps_connection: bool = False,
) -> redis.Redis:
    """Return a thread-safe client.

    It takes a connection from a pool for each command, and opens the first one at the first
    command. With `keeps_connection` it opens a single connection immediately and keeps it, which is
    faster than a pool; threads wait for each other.

    A command whose connection is lost is sent once more. A command whose reply is late is not,
    because the server may have run it. Commands of a blocking client are never sent again: the item
    that a first ``BLPOP`` popped may be lost, and a second one would wait again.

    Args:
        settings: the settings of the server.
        blocking: whether the commands (``BLPOP``, ``XREAD``) wait at the server.
        db: the number of another database of the same server.
        wait: maximum timeout of a blocking command, in seconds.
        timeout: seconds for a reply, for a blocking client in addition to `wait`.
        keeps_connection: whether the client keeps a single connection.

    Raises:
        redis.exceptions.RedisError: with `keeps_connection`, Redis is unreachable.
    """
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        db=settings.db if db is None else db,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=timeout + wait if blocking else timeout,
        socket_keepalive=True,
        retry=_retry(blocking=blocking),
        max_connections=MAX_CONNECTIONS,
        decode_responses=False,
        single_connection_client=keeps_connection,
        ssl=settings.ssl,
        **(settings.tls() or {}),
    )


def _retry(*, blocking: bool) -> Retry:
    if blocking:
        return Retry(NoBackoff(), 0)
    return Retry(ConstantBackoff(0.05), 1, supported_errors=(RedisConnectionError,))
