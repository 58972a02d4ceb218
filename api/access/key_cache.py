"""The cache of API keys in Redis, which all front-end processes share.

Redis contains a digest of each key, not the key itself. `RedisKeyCache.add` stores a holder only if
Redis has no entry, so that an older result of the database does not replace a newer `publish`.
"""

import hashlib
import json
from dataclasses import MISSING, fields
from typing import Final, Generic, TypeVar

import redis

from pipeline.catalog.app.accounts import Account, Application

Holder = TypeVar("Holder", bound=Application | Account)
"""The holder of a key: an application or a user's account."""

HIT_TTL: Final = 60
"""Seconds for which the holder of a key is cached, in a process and in Redis."""

MISS_TTL: Final = 5
"""Seconds for which the absence of a holder is cached, in a process and in Redis."""


def digest(key: str) -> str:
    """Return the BLAKE2b digest of a key, 32 hexadecimal digits."""
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16).hexdigest()


class RedisKeyCache(Generic[Holder]):
    """The cached holders of keys of one kind.

    All methods raise `redis.exceptions.RedisError` if Redis is unreachable.

    Args:
        client: a Redis client.
        kind: `Application` or `Account`. A text can be a key of both kinds.
    """

    def __init__(self, client: redis.Redis, kind: type[Holder]) -> None:
        self._client = client
        self._kind = kind

    def find(self, key_digest: str) -> tuple[Holder | None] | None:
        """Return the holder in a tuple: (None,) if the key has none; None if nothing is cached."""
        stored = self._client.get(self._name(key_digest))
        if stored is None:
            return None
        return (self._load(stored) if stored else None,)

    def add(self, key_digest: str, holder: Holder | None) -> None:
        """Store the holder of a key, None if it has no holder. An existing entry is kept."""
        self._client.set(
            self._name(key_digest),
            _dump(holder),
            ex=MISS_TTL if holder is None else HIT_TTL,
            nx=True,
        )

    def publish(self, key: str, holder: Holder | None) -> None:
        """Replace the entry of a key whose holder has changed; None if it has no holder now."""
        self._client.set(self._name(digest(key)), _dump(holder), ex=HIT_TTL)

    def _load(self, stored: bytes | str) -> Holder:
        """Return a stored holder. Another version may have stored more fields or fewer."""
        values = json.loads(stored)
        names = [each.name for each in fields(self._kind) if each.name in values]
        return self._kind(**{name: values[name] for name in names})

    def _name(self, key_digest: str) -> str:
        return f"key:{self._kind.__name__.lower()}:{key_digest}"


def _dump(holder: Application | Account | None) -> str:
    """Return JSON without the fields that have their default, which earlier versions can read."""
    if holder is None:
        return ""
    values = {each.name: getattr(holder, each.name) for each in fields(holder)}
    defaults = {each.name: each.default for each in fields(holder) if each.default is not MISSING}
    return json.dumps(
        {
            name: value
            for name, value in values.items()
            if name not in defaults or value != defaults[name]
        }
    )
