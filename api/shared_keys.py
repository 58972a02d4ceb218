"""The keys' cache in Redis, which all processes share: asked before the database.

A key is stored under its digest, never as itself. What was read from the database is stored only
where nothing is, so that a slow reader cannot undo what `publish` has just said.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Final, Generic, TypeVar

import redis

from pipeline.catalog.accounts import Account, Application

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
