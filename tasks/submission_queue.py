"""How busy the workers of submissions are."""

from typing import Final

import redis

QUEUE: Final = "submission"


def waiting(connection: redis.Redis) -> int:
    """Return how many messages wait for a worker of submissions.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    return int(connection.llen(QUEUE))
