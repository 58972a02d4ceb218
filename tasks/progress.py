"""Where a task is, for those who ask by its id: a Redis hash beside the truth in PostgreSQL."""

import time
from typing import Final

import redis
from redis.exceptions import RedisError

_LIFETIME: Final = 86_400  # seconds


def progress_key(task_id: str) -> str:
    """Return the key of a task's progress: a hash of `stage` and `started` (epoch seconds)."""
    return f"task:{task_id}"


def note_stage(connection: redis.Redis, task_id: str, stage: str) -> None:
    """Note the stage a task is in; a Redis that is away only makes the display poorer."""
    key = progress_key(task_id)
    try:
        with connection.pipeline(transaction=False) as pipe:
            pipe.hset(key, "stage", stage)
            pipe.hsetnx(key, "started", str(time.time()))
            pipe.expire(key, _LIFETIME)
            pipe.execute()
    except RedisError:
        return
