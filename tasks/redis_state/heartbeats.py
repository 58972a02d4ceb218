"""Heartbeats of workers: a sorted set in Redis with the name of each worker and a time."""

import time
from typing import Final, cast

import redis

ALIVE_SECONDS: Final = 15.0  # a worker sends a heartbeat every 2 s

_KEY: Final = "worker:heartbeats"


def store(connection: redis.Redis, node: str) -> None:
    """Store a heartbeat of a worker and delete heartbeats that are too old."""
    now = time.time()
    with connection.pipeline(transaction=False) as pipe:
        pipe.zadd(_KEY, {node: now})
        pipe.zremrangebyscore(_KEY, "-inf", now - ALIVE_SECONDS)
        pipe.expire(_KEY, int(ALIVE_SECONDS))
        pipe.execute()


def alive(connection: redis.Redis) -> list[str]:
    """Return the names of workers with a heartbeat in the last `ALIVE_SECONDS`."""
    found = connection.zrangebyscore(_KEY, time.time() - ALIVE_SECONDS, "+inf")
    return [node.decode() for node in cast("list[bytes]", found)]


def forget(connection: redis.Redis, node: str) -> None:
    """Delete the heartbeat of a worker that has ended."""
    connection.zrem(_KEY, node)
