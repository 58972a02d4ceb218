"""Who works: each worker leaves its name and the time in one sorted set in Redis."""

import time
from typing import Final, cast

import redis

ALIVE_SECONDS: Final = 15.0  # a worker leaves a heartbeat every 2 s

_KEY: Final = "worker:heartbeats"


def leave(connection: redis.Redis, node: str) -> None:
    """Note that a worker is alive, and forget those that have long been silent."""
    now = time.time()
    with connection.pipeline(transaction=False) as pipe:
        pipe.zadd(_KEY, {node: now})
        pipe.zremrangebyscore(_KEY, "-inf", now - ALIVE_SECONDS)
        pipe.expire(_KEY, int(ALIVE_SECONDS))
        pipe.execute()


def alive(connection: redis.Redis) -> list[str]:
    """Return the names of the workers that are alive."""
    found = connection.zrangebyscore(_KEY, time.time() - ALIVE_SECONDS, "+inf")
    return [node.decode() for node in cast("list[bytes]", found)]


def forget(connection: redis.Redis, node: str) -> None:
    """Forget a worker that has ended."""
    connection.zrem(_KEY, node)
