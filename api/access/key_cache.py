"""The cache of API keys in Redis, which all front-end processes share.

Redis contains a digest of each key, not the key itself. `RedisKeyCache.add` stores a holder only if
Redis has no entry, so that an older result of the database does not replace a newer `publish`.
`publish` also sends the digest to all front ends (`api.access.key_changes`).
"""

import hashlib
import json
import math
import time
from dataclasses import MISSING, fields
from itertools import islice
from typing import Final, Generic, TypeVar

import redis

from pipeline.catalog.app.accounts import Account, Application

Holder = TypeVar("Holder", bound=Application | Account)
"""The holder of a key: an application or a user's account."""

HIT_TTL: Final = 60
"""Seconds for which the holder of a key is cached, in a process and in Redis."""

MISS_TTL: Final = 5
"""Seconds for which the absence of a holder is cached, in a process and in Redis."""


CHANNEL: Final = "key:changed"
"""The channel on which Redis reports changed keys; a message is ``<kind>:<digest>``, or `ALL`."""

ALL: Final = "all"
"""The message that any key may have changed."""

_DELETED: Final = 1_000  # keys in one command


def time_to_live(holder: Application | Account | None) -> float:
    """Return the seconds for which a holder may be cached; 0 or less for an expired key."""
    if holder is None:
        return MISS_TTL
    if holder.valid_until is None:
        return HIT_TTL
    return min(HIT_TTL, holder.valid_until - time.time())


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
        self.name = kind.__name__.lower()

    def find(self, key_digest: str) -> tuple[Holder | None] | None:
        """Return the holder in a tuple: (None,) if the key has none; None if nothing is cached."""
        stored = self._client.get(self._name(key_digest))
        if stored is None:
            return None
        return (self._load(stored) if stored else None,)

    def add(self, key_digest: str, holder: Holder | None) -> None:
        """Store the holder of a key, None if it has no holder. An existing entry is kept."""
        self._client.set(
            self._name(key_digest), _dump(holder), px=_milliseconds(time_to_live(holder)), nx=True
        )

    def publish(self, key: str, holder: Holder | None) -> None:
        """Replace the entry of a key whose holder has changed; None if it has no holder now.

        All front ends then remove the key from their own caches.
        """
        seconds = HIT_TTL if holder is None else time_to_live(holder)
        with self._client.pipeline(transaction=True) as pipe:
            pipe.set(self._name(digest(key)), _dump(holder), px=_milliseconds(seconds))
            pipe.publish(CHANNEL, f"{self.name}:{digest(key)}")
            pipe.execute()

    def _load(self, stored: bytes | str) -> Holder:
        """Return a stored holder. Another version may have stored more fields or fewer."""
        values = json.loads(stored)
        names = [each.name for each in fields(self._kind) if each.name in values]
        return self._kind(**{name: values[name] for name in names})

    def _name(self, key_digest: str) -> str:
        return f"key:{self.name}:{key_digest}"


def forget_keys(client: redis.Redis) -> None:
    """Remove all keys from the caches of Redis and of all front ends.

    Call it after many holders have changed and the transaction is committed. A front end that has
    read a holder before may still store it; call it once more some time later.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    for kind in (Application, Account):
        names = client.scan_iter(f"key:{kind.__name__.lower()}:*", count=_DELETED)
        while some := list(islice(names, _DELETED)):
            client.unlink(*some)
    client.publish(CHANNEL, ALL)


def _milliseconds(seconds: float) -> int:
    """Return a time to live for Redis, which refuses 0."""
    return max(1, math.floor(seconds * 1000))


def _dump(holder: Application | Account | None) -> str:
    """Return JSON without the fields that have their default: earlier versions refuse new names."""
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
