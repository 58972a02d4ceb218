"""Connections to Redis with deadlines that hold.

Left alone, redis-py waits 5 s for a reply and silently tries again ten times: a ``BLPOP`` of 8 s
then never comes back in time, and an outage looks like a hang.
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
"""Seconds to wait for the reply to a command, beyond the time that a blocking one asks for."""

LONGEST_WAIT = 30.0
"""Seconds that a command of a blocking client may ask the server to wait, unless told."""

MAX_CONNECTIONS = 1024
"""Connections a client may open: more than a process has threads, so that none is refused."""


def connect(
    settings: RedisSettings,
    *,
    blocking: bool = False,
    db: int | None = None,
    wait: float = LONGEST_WAIT,
    timeout: float = REPLY_TIMEOUT,
    keeps_connection: bool = False,
) -> redis.Redis:
    """Return a client; it is safe among threads.

    It takes a connection from a pool for each command, and connects with the first one. With
    `keeps_connection` it has one connection, which saves going to the pool; it connects at once,
    and threads wait for each other.

    A command that found its connection lost is sent once more. One whose reply did not come in
    time is not, since it may have run; nor is anything by a blocking client, for a ``BLPOP`` sent
    twice waits twice and may lose what the first one popped.

    Args:
        settings: where the server is.
        blocking: whether the commands (``BLPOP``, ``XREAD``) wait at the server.
        db: another database number of the same server.
        wait: the longest that a blocking command asks for, in seconds.
        timeout: seconds for a reply, for a blocking client in addition to `wait`.
        keeps_connection: whether the client has one connection of its own.

    Raises:
        redis.exceptions.RedisError: with `keeps_connection`, Redis is away.
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
    )


def _retry(*, blocking: bool) -> Retry:
    if blocking:
        return Retry(NoBackoff(), 0)
    return Retry(ConstantBackoff(0.05), 1, supported_errors=(RedisConnectionError,))
