"""Where a task is, for those who ask by its id: a Redis hash beside the truth in PostgreSQL."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import redis
from redis.exceptions import RedisError

_LIFETIME: Final = 86_400  # seconds

# One command for the many tasks of a batch: sent one by one they take longer than the stage.
_NOTE: Final = """
for _, key in ipairs(KEYS) do
    redis.call('HSET', key, 'stage', ARGV[1])
    redis.call('HSETNX', key, 'started', ARGV[2])
    redis.call('EXPIRE', key, ARGV[3])
end
"""


def progress_key(task_id: str) -> str:
    """Return the key of a task's progress: a hash of `stage` and `started` (epoch seconds)."""
    return f"task:{task_id}"


def note_stage(connection: redis.Redis, task_ids: Iterable[str], stage: str) -> None:
    """Note the stage that tasks are in; a Redis that is away only makes the display poorer."""
    keys = [progress_key(task_id) for task_id in task_ids]
    with suppress(RedisError):
        connection.eval(_NOTE, len(keys), *keys, stage, str(time.time()), _LIFETIME)
