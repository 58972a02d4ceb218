"""Removes keys from the caches of this process when another process changes them.

Redis reports changed keys on a channel, to which a thread subscribes. While the subscription is
interrupted, changes may be missed. So each new subscription empties the caches, and without Redis
an entry stays until its time to live has ended.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

import redis
import structlog
from redis.exceptions import RedisError

from api.access.key_cache import ALL, CHANNEL

PING_AFTER: Final = 3.0
"""Seconds without a message after which the connection is tested."""

SILENCE: Final = 8.0
"""Seconds without a message after which the connection counts as lost."""

_POLL: Final = 1.0  # seconds; also the pause after an error

logger = structlog.get_logger("acoustid.api.access.key_changes")


class KeyCache(Protocol):
    """A cache of keys."""

    def discard(self, key_digest: str) -> None:
        """Remove a key, given its digest."""

    def clear(self) -> None:
        """Remove all keys."""


class KeyChanges:
    """Follows the channel of changed keys, from the first call of `follow`.

    Args:
        client: a Redis client, whose connection pool has the address and the options.

    Attributes:
        tables: the caches by the kind of their keys, which each message names.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.tables: Mapping[str, KeyCache] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self) -> None:
        """Start the thread, if it does not run."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._closing.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            thread = threading.Thread(target=self._run, name="key-changes", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                logger.warning("changes of keys apply late: no thread can start", error=str(error))
            else:
                self._thread = thread

    def close(self) -> None:
        """Let the thread end, without waiting for it."""
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._read_messages()
            except (RedisError, OSError):
                self._closing.wait(_POLL)
            except Exception:
                logger.exception("changes of keys could not be read")
                self._closing.wait(_POLL)

    def _read_messages(self) -> None:
        """Subscribe and handle messages, until the connection is lost or `close` is called."""
        # A separate pool: to close the client would close the connection of this thread.
        pool = redis.ConnectionPool(**self._client.connection_pool.connection_kwargs)
        with redis.client.PubSub(pool) as channel:
            channel.subscribe(CHANNEL)
            last = pinged = time.monotonic()
            while not self._closing.is_set():
                message = channel.get_message(timeout=_POLL)
                now = time.monotonic()
                if message is not None:
                    last = now
                    self._handle(message)
                elif now > last + SILENCE:
                    return
                elif now > max(last, pinged) + PING_AFTER:
                    pinged = now
                    channel.ping()

    def _handle(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "subscribe" or message["data"] == ALL.encode():
            for table in self.tables.values():
                table.clear()
        elif message["type"] == "message":
            kind, _, key_digest = message["data"].decode("ascii", "replace").partition(":")
            if kind in self.tables:
                self.tables[kind].discard(key_digest)
