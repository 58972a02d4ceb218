"""A hash of Redis that is kept in memory until Redis tells that it may have changed.

Redis remembers who has read a key, and sends word on the same connection when it changes
(``CLIENT TRACKING``), before whoever changed it can send another command. So as long as that
connection has nothing to read, what was read is still so, and nobody needs to ask.
"""

import os
import select
import socket
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.exceptions import RedisError, ResponseError

LONGEST: Final = 1.0
"""Seconds after which the hash is read again: a network may lose a connection in silence."""

Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, eq=False, slots=True)
class _Kept:
    """What was read, and the socket that tells when it no longer holds."""

    fields: Fields
    socket: socket.socket
    until: float  # on the monotonic clock

    def is_current(self) -> bool:
        """Tell whether nothing has been told so far."""
        if time.monotonic() >= self.until:
            return False
        poll = select.poll()
        try:
            poll.register(self.socket, select.POLLIN)
        except ValueError:  # closed by a thread that reads anew
            return False
        return not poll.poll(0)


class TrackedHash:
    """Reads a hash for many threads with few commands.

    The connection is made with the first reading. A child process that inherits one makes its own.

    Args:
        client: to Redis; where and how to connect.
        key: of the hash.
        longest: seconds after which it is read again.
    """

    _kept: _Kept | None
    _connection: Any

    def __init__(self, client: redis.Redis, key: str, *, longest: float = LONGEST) -> None:
        self._pool = client.connection_pool
        self._key = key
        self._longest = longest
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def read(self) -> Fields:
        """Return the fields as they were at some moment after the call.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        kept = self._kept
        # Whoever reads anew takes `_kept` away before what the socket has to tell.
        if kept is not None and kept.is_current() and self._kept is kept:
            return kept.fields
        with self._lock:
            kept = self._kept
            if kept is None or not kept.is_current():
                self._kept = None
                kept = self._read_anew()
                self._kept = kept
            return kept.fields

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._kept = None
        self._connection = None
        self._tracking = False

    def _read_anew(self) -> _Kept:
        """Read on the connection that there is, and if that fails, once on another."""
        while True:
            is_new = self._connection is None
            try:
                if is_new:
                    self._connect()
                return self._ask()
            except (RedisError, OSError):
                # Used again, it would connect by itself, and nothing would be told on it.
                self._drop()
                if is_new:
                    raise

    def _connect(self) -> None:
        # Protocol 3 has messages that nobody asked for; reading a reply skips them.
        options = {**self._pool.connection_kwargs, "protocol": 3}
        self._connection = self._pool.connection_class(**options)
        self._connection.connect()
        self._connection.send_command("CLIENT", "TRACKING", "ON")
        try:
            self._connection.read_response()
            self._tracking = True
        except ResponseError:  # a server that can't; then every call reads
            self._tracking = False

    def _ask(self) -> _Kept:
        self._connection.send_command("HGETALL", self._key)
        fields: Fields = self._connection.read_response()
        # What was told right behind the reply is no longer in the socket.
        lasts = self._tracking and not self._connection.can_read(0)
        until = time.monotonic() + (self._longest if lasts else 0)
        return _Kept(fields, self._connection._sock, until)  # noqa: SLF001 - it has no public name

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
