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

from pipeline.runtime.links.connection_limits import (
    REDIS_BLOCKING,
    REDIS_COMMAND,
    ConnectionLimits,
)
from pipeline.settings.sections import RedisSettings

REDIS_UNREACHABLE: Final = (RedisConnectionError, RedisTimeoutError)
"""Raised when Redis is unreachable or does not reply in time."""

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
    limits: ConnectionLimits | None = None,
    timeout: float | None = None,
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
        limits: the time limits of the connections, by default `REDIS_BLOCKING` or `REDIS_COMMAND`.
        timeout: seconds for a reply instead of those of `limits`; for a blocking client in addition
            to `wait`.
        keeps_connection: whether the client keeps a single connection.

    Raises:
        redis.exceptions.RedisError: with `keeps_connection`, Redis is unreachable.
    """
    if limits is None:
        limits = REDIS_BLOCKING if blocking else REDIS_COMMAND
    reply = limits.reply if timeout is None else timeout
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        db=settings.db if db is None else db,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        socket_connect_timeout=limits.connect,
        socket_timeout=wait + (reply or 0.0) if blocking else reply,
        socket_keepalive=True,
        socket_keepalive_options=limits.socket_options(),
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
