"""The generation of the catalogue: a value in Redis that changes when answers may change.

A cached answer is valid until the generation changes. A new generation starts with each commit of
the index, each import, and each other change that may change answers.

A task that may change the catalogue sets a mark before it begins and removes it at its end. While
there is a mark there is no generation, and no answer is cached. So once a change is visible, no
client gets an older answer. The mark of a killed task stays until the task has run again, or is
ignored after `MARK_LIFETIME`.

The value of a mark is a time of Redis. Readers compare it with the clock of Redis.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast
from uuid import uuid4

import redis
from redis.exceptions import RedisError

from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings
from tasks.clocks.shared_clock import redis_time

KEY: Final = "generation"
"""A hash. Fields: ``catalogue``, ``index``, and a mark for each task that may change them now."""

INDEXING: Final = "index.update"
"""The task that returns the position of the index."""

CHANGING: Final = frozenset(
    {
        INDEXING,
        "submission.persist",
        "maintenance.merge_missing_mbids",
        "maintenance.follow_mbid_redirects",
    }
)
"""Tasks that may change answers. An empty or zero result means that they did not."""

MARK_LIFETIME: Final = 90.0
"""Seconds after which a mark is ignored. The next task that sets a mark removes it.

By then a killed task has run again, unless its message was deleted. Answers are cached for less
time, so those from before the mark have expired.
"""

_MARK: Final = b"task:"

# KEYS: the hash. ARGV: the mark, the start of the names of marks, `MARK_LIFETIME`.
# A mark that is far in the future is of an earlier version, which used the clock of a worker, or of
# a Redis whose clock has been set back.
_BEGIN: Final = """
local now = tonumber(redis.call('TIME')[1])
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
    local is_mark = string.sub(fields[at], 1, #ARGV[2]) == ARGV[2]
    if is_mark and math.abs(now - (tonumber(fields[at + 1]) or 0)) >= tonumber(ARGV[3]) then
        redis.call('HDEL', KEYS[1], fields[at])
    end
end
redis.call('HSET', KEYS[1], ARGV[1], now)
"""


def read(connection: redis.Redis) -> bytes | None:
    """Return the generation, for comparison with another one; None while a task may change it.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    fields = cast("dict[bytes, bytes]", connection.hgetall(KEY))
    return state(fields, redis_time(connection))


def state(fields: Mapping[bytes, bytes], now: float) -> bytes | None:
    """Return the generation from the fields of the hash; None while a task may change it.

    Args:
        fields: the fields of the hash.
        now: the clock of Redis, in seconds since the epoch.
    """
    lasting = []
    for name, value in sorted(fields.items()):
        if not name.startswith(_MARK):
            lasting.append(name + b"=" + value)
        elif abs(now - float(value)) < MARK_LIFETIME:
            return None
    return b" ".join(lasting)


def renew(connection: redis.Redis) -> None:
    """Start a new generation. When this returns, every front end has been notified.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    _set_catalogue(connection)
    # Redis may reply before it notifies the front ends, but it notifies them before it runs the
    # next command.
    connection.ping()


def renew_at(settings: RedisSettings) -> None:
    """Start a new generation, with a Redis client for this call only.

    Errors of Redis are ignored: without Redis, front ends cache answers for a second at most.

    Args:
        settings: the address of Redis.
    """
    with suppress(RedisError), connect(settings) as connection:
        renew(connection)


def task_begins(connection: redis.Redis, name: str, task_id: str) -> None:
    """Set the mark of a task that may change the catalogue; ignore other tasks.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    if name in CHANGING:
        connection.eval(_BEGIN, 1, KEY, _mark(task_id), _MARK, MARK_LIFETIME)


def task_ended(
    connection: redis.Redis,
    name: str,
    task_id: str,
    outcome: Any,  # noqa: ANN401 - any task's result
    *,
    succeeded: bool,
) -> None:
    """Remove the mark of a task, and start a new generation if the task may have changed anything.

    A failed task may have committed before it failed.

    Args:
        connection: the Redis client.
        name: the name of the task.
        task_id: its id, as given to `task_begins`.
        outcome: the task's return value.
        succeeded: whether the task succeeded.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    if name not in CHANGING:
        return
    with connection.pipeline(transaction=True) as pipe:
        pipe.hdel(KEY, _mark(task_id))
        if name == INDEXING and succeeded:
            pipe.hset(KEY, "index", outcome)
        elif outcome or not succeeded:
            _set_catalogue(pipe)
        pipe.execute()


def _set_catalogue(connection: redis.Redis) -> None:
    connection.hset(KEY, "catalogue", uuid4().hex)


def _mark(task_id: str) -> bytes:
    return _MARK + task_id.encode()
