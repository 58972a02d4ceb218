"""Heartbeats of workers that a test has stored or ended."""

import redis

from tasks.redis_state import heartbeats


def forget(connection: redis.Redis, node: str) -> None:
    """Delete the heartbeat of a worker."""
    connection.zrem(heartbeats.KEY, node)
    connection.delete(heartbeats.REPORT + node)
