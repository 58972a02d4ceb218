"""The keys' cache in Redis, which all processes share: asked before the database.

A key is stored under its digest, never as itself. What was read from the database is stored only
where nothing is, so that a slow reader cannot undo what `publish` has just said.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from typing import Final, Generic, TypeVar

import redis

from pipeline.catalog.app.accounts import Account, Application

Holder = TypeVar("Holder", bound=Application | Account)

HIT_TTL: Final = 60
"""Seconds for which a key that exists is remembered."""

MISS_TTL: Final = 5
"""Seconds for which it is remembered that a key does not exist."""


def digest(key: str) -> str:
    """Return what stands for a key outside the database: 32 hexadecimal digits of BLAKE2."""
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()


class SharedKeys(Generic[Holder]):
    """Who holds which key, of one kind.

    Args:
        client: to Redis.
        kind: `Application` or `Account`; the same text may be a key of both.

    Every method raises `redis.exceptions.RedisError` while Redis is away.
    """

    def __init__(self, client: redis.Redis, kind: type[Holder]) -> None:
        self._client = client
        self._kind = kind

    def find(self, key_digest: str) -> tuple[Holder | None] | None:
        """Return the holder in a tuple, or None in one where the key is known not to exist."""
        stored = self._client.get(self._name(key_digest))
        if stored is None:
            return None
        return (self._kind(**json.loads(stored)) if stored else None,)

    def learn(self, key_digest: str, holder: Holder | None) -> None:
        """Store what the database said, unless something is stored already."""
        self._client.set(
            self._name(key_digest),
            _dump(holder),
            ex=MISS_TTL if holder is None else HIT_TTL,
            nx=True,
        )

    def publish(self, key: str, holder: Holder | None) -> None:
        """Store who holds a key from now on, None for nobody, over whatever is stored."""
        self._client.set(self._name(digest(key)), _dump(holder), ex=HIT_TTL)

    def _name(self, key_digest: str) -> str:
        return f"key:{self._kind.__name__.lower()}:{key_digest}"


def _dump(holder: Application | Account | None) -> str:
    return "" if holder is None else json.dumps(asdict(holder))


V = TypeVar("V")


class TtlCache(Generic[V]):
    """Values by text, each with its own time to live; safe among threads.

    Args:
        size: most entries; the one that was put first goes first.
        clock: seconds on a clock that never goes back.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> tuple[V] | None:
        """Return the value in a tuple, which tells a remembered None from nothing remembered."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            expires, value = entry
            if expires <= self._clock():
                del self._entries[key]
                return None
            return (value,)

    def put(self, key: str, value: V, ttl: float) -> None:
        """Remember a value for `ttl` seconds."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = (self._clock() + ttl, value)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget a value, if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        """Return how many entries are kept, those that have expired among them."""
        with self._lock:
            return len(self._entries)
