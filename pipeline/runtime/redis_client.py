"""Clients of Redis with timeouts and retries that suit this service.

By default redis-py waits 5 s for a reply and retries ten times. A ``BLPOP`` of 8 s then never
returns in time, and an outage blocks the caller for a minute.
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
"""Longest timeout, in seconds, of a command of a blocking client, unless given."""

MAX_CONNECTIONS = 1024
"""Connections of a client: more than a process has threads, so no command has to wait."""


def connect(
    settings: RedisSettings,
    *,
    blocking: bool = False,
    db: int | None = None,
    wait: float = LONGEST_WAIT,
    timeout: float = REPLY_TIMEOUT,
    keeps_connection: bool = False,
) -> redis.Redis:
    """Return a client, which several threads may use.

    It takes a connection from a pool for each command, and opens the first one at the first
    command. With `keeps_connection` it opens a single connection at once and keeps it, which saves
    the use of the pool; its threads wait for each other.

    A command whose connection is lost is sent once more. A command whose reply is late is not,
    since it may have run. Commands of a blocking client are never sent again: a second ``BLPOP``
    waits again, and an item that the first one popped may be lost.

    Args:
        settings: of the server.
        blocking: whether the commands (``BLPOP``, ``XREAD``) wait at the server.
        db: another database number of the same server.
        wait: the longest timeout of a blocking command, in seconds.
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
    )


def _retry(*, blocking: bool) -> Retry:
    if blocking:
        return Retry(NoBackoff(), 0)
    return Retry(ConstantBackoff(0.05), 1, supported_errors=(RedisConnectionError,))
