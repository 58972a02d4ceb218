"""The current stage of a request's submissions: a Redis hash for the status page of a task.

The final states are in PostgreSQL.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import redis
from redis.exceptions import RedisError

_LIFETIME: Final = 86_400  # seconds

# One command for all tasks of a batch: one command each would take longer than the stage itself.
_SET: Final = """
local started = redis.call('TIME')[1]
for _, key in ipairs(KEYS) do
    redis.call('HSET', key, 'stage', ARGV[1])
    redis.call('HSETNX', key, 'started', started)
    redis.call('EXPIRE', key, ARGV[2])
end
"""


def progress_key(task_id: str) -> str:
    """Return the key of a task: a hash with `stage` and `started` (seconds of Redis)."""
    return f"task:{task_id}"


def set_stage(connection: redis.Redis, task_ids: Iterable[str], stage: str) -> None:
    """Store the stage of tasks. Errors of Redis are ignored: the stage is only displayed."""
    keys = [progress_key(task_id) for task_id in task_ids]
    with suppress(RedisError):
        connection.eval(_SET, len(keys), *keys, stage, _LIFETIME)
