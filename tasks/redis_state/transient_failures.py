"""Transient failures of tasks by their cause: a hash in Redis, for `acoustid status`.

The hash has two fields for each cause: the number of failures, and the time of the last one in
seconds by the clock of Redis. It expires an hour after the last failure.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

import redis
from redis.exceptions import RedisError

KEY: Final = "tasks:transient_failures"
LIFETIME: Final = 3600
"""Seconds after the last failure."""

_LAST: Final = ":last"
_COUNT: Final = """
redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('HSET', KEYS[1], ARGV[1] .. ARGV[2], redis.call('TIME')[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


@dataclass(frozen=True, slots=True)
class TransientFailures:
    """The transient failures of one cause.

    Attributes:
        cause: the cause, such as ``database``.
        count: their number since the last hour without any.
        seconds: seconds since the last one.
    """

    cause: str
    count: int
    seconds: int


def count(connection: redis.Redis, cause: str) -> None:
    """Count one failure. Errors of Redis are ignored: the metric of the failures counts it too."""
    with suppress(RedisError):
        connection.eval(_COUNT, 1, KEY, cause, _LAST, LIFETIME)


def read(connection: redis.Redis) -> list[TransientFailures]:
    """Return the failures by cause, the latest cause first."""
    now, _ = connection.time()
    fields = cast("dict[bytes, bytes]", connection.hgetall(KEY))
    values = {name.decode(): int(value) for name, value in fields.items()}
    found = [
        TransientFailures(cause, number, max(0, now - values.get(cause + _LAST, now)))
        for cause, number in values.items()
        if not cause.endswith(_LAST)
    ]
    return sorted(found, key=lambda each: (each.seconds, each.cause))
