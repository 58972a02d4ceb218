"""Records of background lookups. Each is a Redis hash with the state and the answers.

Fields: ``state`` (``pending``, ``running``, ``finished`` or ``failed``), ``created``, ``started``
and ``finished`` (ISO 8601, UTC, by the clock of Redis), ``plan`` (JSON, from which the front end
composes the reply), ``answers`` (JSON), ``reason`` and ``attempts``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from tasks.clocks.shared_clock import redis_time
from tasks.redis_state.lookup_counters import LOOKUPS

KEPT: Final = 3600
"""Seconds for which a record is kept at least from the request, until the lookup has ended."""

ATTEMPTS: Final = 10
"""Maximum number of attempts, including retries and those that ended with a killed worker."""

# KEYS: the record. ARGV: the time, the maximum number of attempts, the reason if it is exceeded.
# Nothing is changed if the lookup has ended. `started` keeps the time of the first attempt.
_BEGIN: Final = """
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'pending' and state ~= 'running' then
    return 0
end
if redis.call('HINCRBY', KEYS[1], 'attempts', 1) > tonumber(ARGV[2]) then
    redis.call('HSET', KEYS[1], 'state', 'failed', 'finished', ARGV[1], 'reason', ARGV[3])
    return 0
end
redis.call('HSET', KEYS[1], 'state', 'running')
redis.call('HSETNX', KEYS[1], 'started', ARGV[1])
return 1
"""

# KEYS: the record, the hash of counters. ARGV: the record's lifetime in seconds (0: for ever), the
# number of fields for the record, these fields with their values, then the fields of the counters
# with their counts. The script is atomic, so a task that is delivered twice counts once.
_END: Final = """
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'pending' and state ~= 'running' then
    return 0
end
local last = 2 + 2 * tonumber(ARGV[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 3, last))
if tonumber(ARGV[1]) > 0 then
    redis.call('EXPIRE', KEYS[1], ARGV[1])
else
    redis.call('PERSIST', KEYS[1])
end
for at = last + 1, #ARGV, 2 do
    redis.pcall('HINCRBY', KEYS[2], ARGV[at], ARGV[at + 1])
end
return 1
"""

Answer = dict[str, Any]


def key_of(task_id: str) -> str:
    """Return the key of a record."""
    return f"lookup:task:{task_id}"


def create(client: redis.Redis, task_id: str, plan: str, *, kept: int = KEPT) -> None:
    """Write the record of a lookup, before the lookup is published.

    Args:
        client: the Redis client.
        task_id: the id of the Celery task.
        plan: JSON from which the front end composes the reply.
        kept: lifetime of the record in seconds, at least `KEPT`; 0 for ever.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    with client.pipeline() as pipe:
        pipe.hset(
            key_of(task_id), mapping={"state": "pending", "created": _now(client), "plan": plan}
        )
        if kept:
            pipe.expire(key_of(task_id), max(kept, KEPT))
        pipe.execute()


def withdraw(client: redis.Redis, task_id: str) -> None:
    """Delete the record of a lookup that could not be published.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    client.delete(key_of(task_id))


def begin(client: redis.Redis, task_id: str) -> bool:
    """Set the state to running; return False if the lookup has ended or has no record.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    reason = f"the lookup did not end in {ATTEMPTS} attempts"
    args: list[str | int] = [_now(client), ATTEMPTS, reason]
    return bool(client.register_script(_BEGIN)(keys=[key_of(task_id)], args=args))


def finish(
    client: redis.Redis,
    task_id: str,
    answers: Sequence[Answer],
    counts: Mapping[str, int],
    *,
    kept: int = KEPT,
) -> bool:
    """Store the answers of a lookup and count it; return False if it has ended already.

    Args:
        client: the Redis client.
        task_id: the id of the Celery task.
        answers: the answers, in the order of the lookups.
        counts: the counts to add to fields of the hash `tasks.redis_state.lookup_counters.LOOKUPS`.
        kept: lifetime of the record in seconds from now; 0 for ever.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    fields = {"state": "finished", "finished": _now(client), "answers": json.dumps(answers)}
    return _end(client, task_id, fields, counts, kept)


def fail(client: redis.Redis, task_id: str, reason: str, *, kept: int = KEPT) -> bool:
    """Store the reason why a lookup has no answers; return False if it has ended already.

    Args:
        client: the Redis client.
        task_id: the id of the Celery task.
        reason: the text for the client.
        kept: lifetime of the record in seconds from now; 0 for ever.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    fields = {"state": "failed", "finished": _now(client), "reason": reason}
    return _end(client, task_id, fields, {}, kept)


def find(client: redis.Redis, task_id: str) -> dict[str, str] | None:
    """Return the fields of a record, None if there is no record.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    fields = cast("dict[bytes, bytes]", client.hgetall(key_of(task_id)))
    return {name.decode(): value.decode() for name, value in fields.items()} or None


def _end(
    client: redis.Redis,
    task_id: str,
    fields: Mapping[str, str],
    counts: Mapping[str, int],
    kept: int,
) -> bool:
    args: list[str | int] = [kept, len(fields)]
    for pairs in (fields, counts):
        for name, value in pairs.items():
            args += (name, value)
    return bool(client.register_script(_END)(keys=[key_of(task_id), LOOKUPS], args=args))


def _now(client: redis.Redis) -> str:
    return datetime.fromtimestamp(redis_time(client), UTC).isoformat(timespec="milliseconds")
