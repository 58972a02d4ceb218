"""Reads the generation of the catalogue. The value was valid at some moment after the call.

It is a hash of Redis, kept in memory until Redis tells that it may have changed. Redis sends an
invalidation message on the connection that has read the hash (``CLIENT TRACKING``), before the
writer can send its next command. While the connection has nothing to read, the value in memory is
valid, and no command is needed.

redis-py has client-side caching of its own, which serves Redis alone: it refuses Valkey.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from api.access.redis_outage import RedisCircuitBreaker
from tasks.redis_state import catalogue_generation

LONGEST: Final = 1.0
"""Seconds after which the hash is read again: a network may lose a connection in silence."""

Fields = Mapping[bytes, bytes]


class CatalogueGeneration:
    """Tells the generation for many threads, with few commands.

    Nothing connects before the first question.

    Args:
        client: to Redis; where and how to connect.
        breaker: notices outages.
        caches: whether the hash is kept; if not, every question reads it.
        longest: seconds after which it is read again.
    """

    def __init__(
        self,
        client: redis.Redis,
        breaker: RedisCircuitBreaker,
        *,
        caches: bool = True,
        longest: float = LONGEST,
    ) -> None:
        self._client = client
        self._breaker = breaker
        self._caches = caches
        self._longest = longest
        self._lock = threading.Lock()
        self._connection: Any = None
        self._is_told = False  # whether changes are told on the connection
        self._fields: Fields = {}
        self._holds_until = 0.0  # on the monotonic clock, as the next one
        self._failed = 0.0

    def current(self) -> bytes | None:
        """Return the generation as it was after the call; None if it changes, or without Redis."""
        fields = self._breaker.call(self.read, None)
        return None if fields is None else catalogue_generation.state(fields)

    def read(self) -> Fields:
        """Return the fields of the hash as they were at some moment after the call.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        if not self._caches:
            return cast("Fields", self._client.hgetall(catalogue_generation.KEY))
        asked = time.monotonic()
        with self._lock:
            if self._failed > asked:  # each thread that waits would wait for Redis once more
                raise RedisConnectionError("Redis was away while this thread waited")
            if not self._still_holds():
                self._read_anew()
            return self._fields

    def _still_holds(self) -> bool:
        if not self._is_told or time.monotonic() >= self._holds_until:
            return False
        try:
            return not self._connection.can_read()
        except (RedisError, OSError):  # the server has closed it
            self._drop()
            return False

    def _read_anew(self) -> None:
        """Read on the connection that there is, and if that fails, once on another."""
        while True:
            is_new = self._connection is None
            try:
                if is_new:
                    self._connect()
                self._connection.send_command("HGETALL", catalogue_generation.KEY)
                self._fields = self._connection.read_response()
                self._holds_until = time.monotonic() + self._longest
            except (RedisError, OSError):
                # Used again, it would connect by itself, and nothing would be told on it.
                self._drop()
                if is_new:
                    self._failed = time.monotonic()
                    raise
            else:
                return

    def _connect(self) -> None:
        pool = self._client.connection_pool
        # Protocol 3 has messages that nobody asked for; reading a reply skips them.
        self._connection = pool.connection_class(**{**pool.connection_kwargs, "protocol": 3})
        self._connection.connect()
        self._connection.send_command("CLIENT", "TRACKING", "ON")
        try:
            self._connection.read_response()
            self._is_told = True
        except ResponseError:  # a server that can't; then every question reads
            self._is_told = False

    def _drop(self) -> None:
        connection, self._connection, self._is_told = self._connection, None, False
        if connection is not None:
            connection.disconnect()
