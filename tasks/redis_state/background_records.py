"""Records of background lookups: a Redis hash for each, from the request to its answers.

Fields: ``state`` (``pending``, ``running``, ``finished`` or ``failed``), ``created``, ``started``
and ``finished`` (ISO 8601, UTC), ``plan`` (what the front end needs to compose the reply),
``answers`` (JSON), ``reason`` and ``attempts``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import redis

from tasks.redis_state.lookup_counters import LOOKUPS

KEPT: Final = 3600
"""Seconds for which a record is kept after the request, and again after its end."""

ATTEMPTS: Final = 10
"""Attempts at a lookup, retries included; one that kills every worker is then given up."""

# KEYS: the record. ARGV: the time, the number of attempts, the reason to give up. Only a record
# that has not ended is begun, and a second start does not hide the first.
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

# KEYS: the record, the hash of counters. ARGV: seconds to keep the record, how many fields of it
# follow with their values; then the counters' fields and numbers. The record ends and the lookups
# are counted in one step, so a task that is delivered twice counts once.
_END: Final = """
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'pending' and state ~= 'running' then
    return 0
end
local last = 2 + 2 * tonumber(ARGV[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 3, last))
redis.call('EXPIRE', KEYS[1], ARGV[1])
for at = last + 1, #ARGV, 2 do
    redis.pcall('HINCRBY', KEYS[2], ARGV[at], ARGV[at + 1])
end
return 1
"""

Answer = dict[str, Any]


def key_of(task_id: str) -> str:
    """Return the key of a record."""
    return f"lookup:task:{task_id}"


def create(client: redis.Redis, task_id: str, plan: str) -> None:
    """Write the record of a lookup that is about to be published.

    Args:
        client: to Redis.
        task_id: the Celery task's id.
        plan: what the front end needs to compose the reply.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    with client.pipeline() as pipe:
        pipe.hset(key_of(task_id), mapping={"state": "pending", "created": _now(), "plan": plan})
        pipe.expire(key_of(task_id), KEPT)
        pipe.execute()


def withdraw(client: redis.Redis, task_id: str) -> None:
    """Delete the record of a lookup that could not be published.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    client.delete(key_of(task_id))


def begin(client: redis.Redis, task_id: str) -> bool:
    """Note that a lookup runs; return False where it has ended, or has no record.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    reason = f"the lookup did not end in {ATTEMPTS} attempts"
    args: list[str | int] = [_now(), ATTEMPTS, reason]
    return bool(client.register_script(_BEGIN)(keys=[key_of(task_id)], args=args))


def finish(
    client: redis.Redis, task_id: str, answers: Sequence[Answer], counts: Mapping[str, int]
) -> bool:
    """Store the answers of a lookup and count it, unless it has ended before; return whether so.

    Args:
        client: to Redis.
        task_id: the Celery task's id.
        answers: in the order of the lookups.
        counts: what to add to the fields of the hash `tasks.redis_state.lookup_counters.LOOKUPS`.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    fields = {"state": "finished", "finished": _now(), "answers": json.dumps(answers)}
    return _end(client, task_id, fields, counts)


def fail(client: redis.Redis, task_id: str, reason: str) -> bool:
    """Note why a lookup has no answers, unless it has ended before; return whether so.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    fields = {"state": "failed", "finished": _now(), "reason": reason}
    return _end(client, task_id, fields, {})


def find(client: redis.Redis, task_id: str) -> dict[str, str] | None:
    """Return the fields of a record, None where there is none.

    Raises:
        redis.exceptions.RedisError: Redis is away.
    """
    fields = cast("dict[bytes, bytes]", client.hgetall(key_of(task_id)))
    return {name.decode(): value.decode() for name, value in fields.items()} or None


def _end(
    client: redis.Redis, task_id: str, fields: Mapping[str, str], counts: Mapping[str, int]
) -> bool:
    args: list[str | int] = [KEPT, len(fields)]
    for pairs in (fields, counts):
        for name, value in pairs.items():
            args += (name, value)
    return bool(client.register_script(_END)(keys=[key_of(task_id), LOOKUPS], args=args))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
