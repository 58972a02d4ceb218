"""Periodic tasks of the statistics: lookup counters, daily figures of the catalogue.

The front ends count lookups in Redis hashes. The tasks here move ("fold") these counters into
PostgreSQL, batch by batch:

1. A script moves some fields of the hash to a separate key, the batch, and adds the batch's id to a
   set.
2. One transaction adds the counts and stores the id of the batch in PostgreSQL.
3. The key and the entry of the set are deleted.

If a worker ends between these steps, the next run finds the batch in the set. It adds the counts if
PostgreSQL does not have the id, and then deletes the batch. So each count is added exactly once.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Generic, TypeVar, cast
from uuid import UUID, uuid4

import redis
import sqlalchemy as sa
import sqlalchemy.exc
import structlog

from pipeline.catalog.app import daily_statistics, lookup_statistics
from pipeline.catalog.app.lookup_statistics import LookupKind, Visitor
from pipeline.runtime.databases import Databases
from tasks.celery import app
from tasks.redis_state import lookup_counters
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

BATCH_SIZE: Final = 5_000
"""Fields in a batch. Their transaction takes less than a second."""

TIME_LIMIT: Final = 10.0
"""Seconds after which a run starts no further batch. The next run continues."""

IDS_KEPT: Final = timedelta(days=7)
"""Age at which ids of batches are deleted. A restored backup of Redis may contain old batches."""

# KEYS: the hash, the batch, the set of batches, a mark that the id was used.
# ARGV: the id, the maximum number of fields. The mark makes the script idempotent.
_TAKE: Final = """
if not redis.call('SET', KEYS[4], 1, 'NX', 'EX', 300) then
    return redis.call('EXISTS', KEYS[2])
end
local found = redis.call('HLEN', KEYS[1])
if found == 0 then
    return 0
end
redis.call('SADD', KEYS[3], ARGV[1])
if found <= tonumber(ARGV[2]) then
    redis.call('RENAME', KEYS[1], KEYS[2])
    return 1
end
local fields = redis.call('HRANDFIELD', KEYS[1], ARGV[2])
for from = 1, #fields, 500 do
    local some = {unpack(fields, from, math.min(from + 499, #fields))}
    local moved = {}
    for at, value in ipairs(redis.call('HMGET', KEYS[1], unpack(some))) do
        moved[2 * at - 1], moved[2 * at] = some[at], value
    end
    redis.call('HSET', KEYS[2], unpack(moved))
    redis.call('HDEL', KEYS[1], unpack(some))
end
return 1
"""

K = TypeVar("K", LookupKind, Visitor)

logger = structlog.get_logger("acoustid.tasks.periodic.statistics")


@app.task(name="maintenance.update_lookup_stats", base=StageTask)
def update_lookup_stats() -> int:
    """Fold the counters of lookups; return the number of fields."""
    return fold(worker_resources().redis, worker_resources().databases, LOOKUPS)


@app.task(name="maintenance.update_user_agent_stats", base=StageTask)
def update_user_agent_stats() -> int:
    """Fold the counters of user agents; return the number of fields."""
    return fold(worker_resources().redis, worker_resources().databases, USER_AGENTS)


@app.task(name="maintenance.prune_folded", base=StageTask)
def prune_folded() -> int:
    """Delete old ids of folded batches from PostgreSQL; return their number."""
    return prune(worker_resources().redis, worker_resources().databases)


@app.task(name="maintenance.update_stats", base=StageTask)
def update_stats() -> int:
    """Start a task for each daily figure; return the number of tasks.

    With a large catalogue, a single task for all figures would exceed the time limit.
    """
    today = datetime.now(UTC).date().isoformat()
    for name in daily_statistics.MEASURES:
        update_stat.delay(name, today)
    return len(daily_statistics.MEASURES)


@app.task(name="maintenance.update_stat", base=StageTask)
def update_stat(name: str, day: str) -> dict[str, int]:
    """Measure and store one daily figure or distribution. A second run replaces the first.

    Args:
        name: one of `pipeline.catalog.app.daily_statistics.MEASURES`.
        day: the day of the figure, as ``YYYY-MM-DD``.

    Returns:
        The figures by name.
    """
    figures = daily_statistics.measure(worker_resources().databases, name)
    daily_statistics.store(worker_resources().databases, date.fromisoformat(day), figures)
    for gauge, value in daily_statistics.gauges(figures).items():
        worker_resources().metrics.gauge(gauge, value)
    return figures


@dataclass(frozen=True, slots=True)
class CounterKind(Generic[K]):
    """A kind of counters: their hash in Redis, and the functions that add them to PostgreSQL.

    Attributes:
        key: the key of the hash.
        parse: parses the name of a field; returns None if it is malformed.
        add: adds counts to the statistics; returns the ids of applications that do not exist.
    """

    key: str
    parse: Callable[[bytes], K | None]
    add: Callable[[sa.Connection, Mapping[K, int]], set[int]]


LOOKUPS: Final = CounterKind(
    lookup_counters.LOOKUPS, lookup_counters.parse_lookup, lookup_statistics.add_lookups
)
USER_AGENTS: Final = CounterKind(
    lookup_counters.USER_AGENTS, lookup_counters.parse_user_agent, lookup_statistics.add_user_agents
)


def fold(
    client: redis.Redis,
    databases: Databases,
    kind: CounterKind[Any],
    *,
    batch_size: int = BATCH_SIZE,
    time_limit: float = TIME_LIMIT,
) -> int:
    """Fold one kind of counters: first the batches of earlier runs, then new ones.

    Args:
        client: the Redis client.
        databases: the databases; the statistics are in the app database.
        kind: `LOOKUPS` or `USER_AGENTS`.
        batch_size: maximum number of fields in a batch.
        time_limit: seconds after which no further batch is started.

    Returns:
        The number of fields that were folded.
    """
    deadline = time.monotonic() + time_limit
    folded = 0
    for batch_id in _batches(client, kind.key, batch_size):
        try:
            folded += _fold_batch(client, databases, kind, batch_id)
        except (sqlalchemy.exc.DataError, sqlalchemy.exc.IntegrityError):
            # The next run tries this batch again. The other batches do not wait for it.
            logger.exception("batch of counters cannot be folded", batch=str(batch_id))
        if time.monotonic() > deadline:
            logger.warning("not all counters were folded in time", hash=kind.key, folded=folded)
            break
    return folded


def prune(client: redis.Redis, databases: Databases, age: timedelta = IDS_KEPT) -> int:
    """Delete old ids of batches that are no longer in Redis; return their number."""
    waiting = [
        batch_id for kind in (LOOKUPS, USER_AGENTS) for batch_id in _waiting(client, kind.key)
    ]
    with databases.engine("app").begin() as connection:
        return lookup_statistics.prune_folded(connection, waiting, age)


def _batches(client: redis.Redis, key: str, size: int) -> Iterator[UUID]:
    yield from _waiting(client, key)
    while (batch_id := take_batch(client, key, size)) is not None:
        yield batch_id


def _waiting(client: redis.Redis, key: str) -> list[UUID]:
    """Return the ids of batches that are not deleted yet."""
    members = cast("set[bytes]", client.smembers(_set_of(key)))
    return sorted(UUID(member.decode("ascii")) for member in members)


def take_batch(client: redis.Redis, key: str, size: int) -> UUID | None:
    """Move up to `size` fields of a hash to a new batch; return its id, None for an empty hash."""
    batch_id = uuid4()
    keys = [key, _key_of(key, batch_id), _set_of(key), f"{key}:taken:{batch_id.hex}"]
    taken = client.register_script(_TAKE)(keys=keys, args=[batch_id.hex, size])
    return batch_id if taken else None


def _fold_batch(
    client: redis.Redis, databases: Databases, kind: CounterKind[Any], batch_id: UUID
) -> int:
    folded = 0
    with databases.engine("app").begin() as connection:
        # The insert of the id waits while another transaction folds this batch.
        if lookup_statistics.mark_folded(connection, batch_id):
            fields = client.hgetall(_key_of(kind.key, batch_id))
            _add(connection, kind, cast("dict[bytes, bytes]", fields))
            folded = len(fields)
    with client.pipeline() as pipe:
        pipe.unlink(_key_of(kind.key, batch_id))
        pipe.srem(_set_of(kind.key), batch_id.hex)
        pipe.execute()
    return folded


def _add(connection: sa.Connection, kind: CounterKind[Any], fields: Mapping[bytes, bytes]) -> None:
    counts: Counter[Any] = Counter()
    malformed = 0
    for field, value in fields.items():
        counted, count = kind.parse(field), lookup_counters.parse_count(value)
        if counted is None or count is None:
            malformed += 1
        elif count:
            counts[counted] += count
    unknown = kind.add(connection, counts)
    if malformed:
        logger.warning("malformed counters dropped", hash=kind.key, fields=malformed)
    if unknown:
        logger.warning(
            "counters of unknown applications dropped",
            hash=kind.key,
            applications=sorted(unknown),
        )


def _key_of(key: str, batch_id: UUID) -> str:
    return f"{key}:batch:{batch_id.hex}"


def _set_of(key: str) -> str:
    return f"{key}:batches"
