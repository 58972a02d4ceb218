"""The probe of writes to Redis. Redis replies to reads while it refuses writes."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

import redis
from redis.exceptions import ResponseError

_KEY: Final = "health:write"
_SECONDS: Final = 60
_STATES: Final = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")

Figures = Mapping[str, Any]

NEARLY: Final = 0.95
"""Share of ``maxmemory`` above which Redis is about to refuse writes."""


class Refused(StrEnum):
    """The reason for which Redis refuses writes."""

    MEMORY = "memory"
    DISK = "disk"
    STANDBY = "standby"
    OTHER = "other"


class Warned(StrEnum):
    """A fault that will make Redis refuse writes or lose messages."""

    MEMORY = "memory"
    DISK = "disk"
    EVICTS = "evicts"


class RedisWrites(NamedTuple):
    """Whether Redis accepts writes.

    Attributes:
        refused: why it refuses them; None if it accepts them.
        warning: a fault, also of a Redis that accepts writes; None without one.
        memory: bytes that it uses; None if it does not tell.
        max_memory: ``maxmemory`` in bytes; 0 for no limit; None if it does not tell.
    """

    refused: Refused | None = None
    warning: Warned | None = None
    memory: int | None = None
    max_memory: int | None = None


def try_write(client: redis.Redis) -> RedisWrites:
    """Write a key that expires, and read the state of Redis.

    Raises:
        redis.exceptions.RedisError: Redis does not reply.
    """
    with client.pipeline(transaction=False) as pipe:
        pipe.set(_KEY, 1, ex=_SECONDS)
        pipe.info("memory")
        pipe.info("persistence")
        written, memory, persistence = pipe.execute(raise_on_error=False)
    refused = _reason(written) if isinstance(written, Exception) else None
    # A user of Redis that may not run INFO gets an error for it.
    figures = cast("Figures", memory if isinstance(memory, dict) else {})
    states = cast("Figures", persistence if isinstance(persistence, dict) else {})
    used, limit = figures.get("used_memory"), figures.get("maxmemory")
    return RedisWrites(refused, _warning(figures, states), used, limit)


def _reason(error: Exception) -> Refused:
    if not isinstance(error, ResponseError):
        raise error
    text = str(error)
    if isinstance(error, redis.exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return Refused.MEMORY
    if "MISCONF" in text or "AOF" in text:
        return Refused.DISK
    return Refused.STANDBY if isinstance(error, redis.exceptions.ReadOnlyError) else Refused.OTHER


def _warning(memory: Figures, persistence: Figures) -> Warned | None:
    used, limit = memory.get("used_memory", 0), memory.get("maxmemory", 0)
    if limit and str(memory.get("maxmemory_policy", "")).startswith("allkeys"):
        return Warned.EVICTS
    if limit and used > limit * NEARLY:
        return Warned.MEMORY
    return Warned.DISK if "err" in {persistence.get(name) for name in _STATES} else None
