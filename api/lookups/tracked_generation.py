"""Reads the generation of the catalogue from Redis, and keeps a copy in memory while it is valid.

The generation is a hash. A connection with ``CLIENT TRACKING`` reads it. When the hash changes,
Redis sends an invalidation message on this connection. Redis sends it before it runs the writer's
next command. While the connection has no data to read, the copy is valid and no command is needed.

The client-side caching of redis-py is not used, since it refuses Valkey.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from api.access.redis_outage import RedisCircuitBreaker
from tasks.redis_state import catalogue_generation

MAX_AGE: Final = 1.0
"""Seconds after which the hash is read again, since a lost connection may go unnoticed."""

MAX_WAIT: Final = 1.0
"""Maximum seconds that a thread waits for another one, which reads the hash from a slow Redis."""

Fields = Mapping[bytes, bytes]


class TrackedGeneration:
    """The current generation of the catalogue. Thread-safe.

    It connects at the first call.

    Args:
        client: a Redis client, whose connection pool has the address and the options.
        breaker: skips Redis during an outage.
        clock: the clock of Redis, in seconds since the epoch.
        caches: whether a copy is kept in memory; otherwise each call reads the hash.
        max_age: seconds after which the hash is read again.
    """

    def __init__(
        self,
        client: redis.Redis,
        breaker: RedisCircuitBreaker,
        clock: Callable[[], float] = time.time,
        *,
        caches: bool = True,
        max_age: float = MAX_AGE,
    ) -> None:
        self._client = client
        self._breaker = breaker
        self._clock = clock
        self._caches = caches
        self._max_age = max_age
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_tracking = False  # whether the server reports changes on the connection
        self._fields: Fields = {}
        self._failures = 0  # of Redis, when the connection was opened
        # Times on the monotonic clock.
        self._valid_until = 0.0
        self._failed_at = 0.0

    def current(self) -> bytes | None:
        """Return the generation. It was current at some time during this call.

        It is None while a task changes the catalogue, and if Redis is unreachable.
        """
        fields = self._breaker.call(self.read, None)
        return None if fields is None else catalogue_generation.state(fields, self._clock())

    def read(self) -> Fields:
        """Return the fields of the hash. They were current at some time during this call.

        Raises:
            redis.exceptions.RedisError: Redis is unreachable, or another thread reads for too long.
        """
        if not self._caches:
            return cast("Fields", self._client.hgetall(catalogue_generation.KEY))
        called_at = time.monotonic()
        if not self._lock.acquire(timeout=MAX_WAIT):
            # No error of the link: it does not show whether Redis is reachable.
            raise RedisError("another thread still reads the generation")
        try:
            if self._failed_at > called_at:  # so that the waiting threads do not try in turn
                raise RedisConnectionError("Redis was unreachable while this thread waited")
            if not self._is_valid():
                self._refresh()
            return self._fields
        finally:
            self._lock.release()

    def _is_valid(self) -> bool:
        if self._failures != self._breaker.failures:  # the link may be dead
            self._failures = self._breaker.failures
            self._disconnect()
        if not self._is_tracking or time.monotonic() >= self._valid_until:
            return False
        try:
            return not self._connection.can_read()
        except (RedisError, OSError):  # the server has closed it
            self._disconnect()
            return False

    def _refresh(self) -> None:
        """Read the hash on the open connection; if that fails, on a new connection."""
        while True:
            is_new = self._connection is None
            try:
                if is_new:
                    self._connect()
                self._connection.send_command("HGETALL", catalogue_generation.KEY)
                self._fields = self._connection.read_response()
                self._valid_until = time.monotonic() + self._max_age
            except (RedisError, OSError):
                # redis-py would reconnect the old connection, but without tracking.
                self._disconnect()
                if is_new:
                    self._failed_at = time.monotonic()
                    raise
            else:
                return

    def _connect(self) -> None:
        pool = self._client.connection_pool
        # Only protocol 3 has push messages; `read_response` skips them.
        self._connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 3})
        self._connection.connect()
        self._connection.send_command("CLIENT", "TRACKING", "ON")
        try:
            self._connection.read_response()
            self._is_tracking = True
        except ResponseError:  # the server has no tracking, so each call reads the hash
            self._is_tracking = False

    def _disconnect(self) -> None:
        connection, self._connection, self._is_tracking = self._connection, None, False
        if connection is not None:
            connection.disconnect()
