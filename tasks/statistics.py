"""The beats of the statistics: counters from Redis, the daily figures of the catalogue.

A batch is a slice of a hash, moved to a key of its own in one step. Its counts and a note of its id
go into PostgreSQL in one transaction; only then is the key deleted. Whoever dies in between leaves
a batch behind that the next one finds: without a note it is added, with one it is only deleted.
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
from tasks.worker import services


@app.task(name="maintenance.update_lookup_stats")
def update_lookup_stats() -> int:
    """Fold the counters of lookups into SQL; return how many fields there were."""
    return fold(services().redis, services().databases, LOOKUPS)


@app.task(name="maintenance.update_user_agent_stats")
def update_user_agent_stats() -> int:
    """Fold the counters of user agents into SQL; return how many fields there were."""
    return fold(services().redis, services().databases, USER_AGENTS)


@app.task(name="maintenance.prune_folded")
def prune_folded() -> int:
    """Delete old notes of folded batches; return how many there were."""
    return prune(services().redis, services().databases)


@app.task(name="maintenance.update_stats")
def update_stats() -> int:
    """Have every daily figure measured; return how many messages that takes.

    Each is a task of its own: counting a large catalogue takes a while, and no task may take long.
    """
    today = datetime.now(UTC).date().isoformat()
    for name in daily_statistics.MEASURES:
        update_stat.delay(name, today)
    return len(daily_statistics.MEASURES)


@app.task(name="maintenance.update_stat")
def update_stat(name: str, day: str) -> dict[str, int]:
    """Measure and store one daily figure or distribution, once a day however often it runs.

    Args:
        name: one of `pipeline.catalog.app.daily_statistics.MEASURES`.
        day: whose figure it is, as ``YYYY-MM-DD``.
    """
    figures = daily_statistics.measure(services().databases, name)
    daily_statistics.store(services().databases, date.fromisoformat(day), figures)
    for gauge, value in daily_statistics.gauges(figures).items():
        services().metrics.gauge(gauge, value)
    return figures


BATCH: Final = 5_000
"""Fields of a batch: a transaction of well under a second."""

SECONDS: Final = 10.0
"""After this time no further batch is begun: tasks have a limit. The next beat goes on."""

NOTES_KEPT: Final = timedelta(days=7)
"""A Redis that is restored from yesterday's copy brings yesterday's batches back."""

# KEYS: the hash, the batch, the set of batches, the mark that its id was used.
# ARGV: the id, how many fields at most. The mark makes it safe to send this twice.
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

logger = structlog.get_logger("acoustid.tasks.folding")


@dataclass(frozen=True, slots=True)
class Kind(Generic[K]):
    """One kind of counters.

    Attributes:
        key: the hash.
        parse: returns what a field counts, None where it is malformed.
        add: adds counts to the statistics; returns the applications that there are not.
    """

    key: str
    parse: Callable[[bytes], K | None]
    add: Callable[[sa.Connection, Mapping[K, int]], set[int]]


LOOKUPS: Final = Kind(
    lookup_counters.LOOKUPS, lookup_counters.parse_lookup, lookup_statistics.add_lookups
)
USER_AGENTS: Final = Kind(
    lookup_counters.USER_AGENTS, lookup_counters.parse_user_agent, lookup_statistics.add_user_agents
)


def fold(
    client: redis.Redis,
    databases: Databases,
    kind: Kind[Any],
    *,
    batch: int = BATCH,
    seconds: float = SECONDS,
) -> int:
    """Fold one kind of counters: what others left behind, then what was counted since.

    Returns how many fields were folded.

    Args:
        client: to Redis.
        databases: of which the app database has the statistics.
        kind: `LOOKUPS` or `USER_AGENTS`.
        batch: fields of a batch.
        seconds: after which no further batch is begun.
    """
    until = time.monotonic() + seconds
    folded = 0
    for batch_id in _batches(client, kind.key, batch):
        try:
            folded += _fold_batch(client, databases, kind, batch_id)
        except (sqlalchemy.exc.DataError, sqlalchemy.exc.IntegrityError):
            # It will be tried again; whatever is wrong with it, it holds back no other.
            logger.exception("a batch of counters cannot be folded", batch=str(batch_id))
        if time.monotonic() > until:
            logger.warning("not all counters were folded in time", hash=kind.key, folded=folded)
            break
    return folded


def prune(client: redis.Redis, databases: Databases, age: timedelta = NOTES_KEPT) -> int:
    """Delete old notes of batches that are gone from Redis; return how many there were."""
    waiting = [
        batch_id for kind in (LOOKUPS, USER_AGENTS) for batch_id in _waiting(client, kind.key)
    ]
    with databases.engine("app").begin() as connection:
        return lookup_statistics.prune_folded(connection, waiting, age)


def _batches(client: redis.Redis, key: str, size: int) -> Iterator[UUID]:
    yield from _waiting(client, key)
    while (batch_id := _take(client, key, size)) is not None:
        yield batch_id


def _waiting(client: redis.Redis, key: str) -> list[UUID]:
    """Return the batches that were taken and not deleted yet."""
    members = cast("set[bytes]", client.smembers(_set_of(key)))
    return sorted(UUID(member.decode("ascii")) for member in members)


def _take(client: redis.Redis, key: str, size: int) -> UUID | None:
    """Move up to so many fields of a hash to a batch of their own; None where there are none."""
    batch_id = uuid4()
    keys = [key, _key_of(key, batch_id), _set_of(key), f"{key}:taken:{batch_id.hex}"]
    taken = client.register_script(_TAKE)(keys=keys, args=[batch_id.hex, size])
    return batch_id if taken else None


def _fold_batch(client: redis.Redis, databases: Databases, kind: Kind[Any], batch_id: UUID) -> int:
    folded = 0
    with databases.engine("app").begin() as connection:
        # First the note, then the fields: while another one is at this batch, the note waits.
        if lookup_statistics.mark_folded(connection, batch_id):
            fields = client.hgetall(_key_of(kind.key, batch_id))
            _add(connection, kind, cast("dict[bytes, bytes]", fields))
            folded = len(fields)
    with client.pipeline() as pipe:
        pipe.unlink(_key_of(kind.key, batch_id))
        pipe.srem(_set_of(kind.key), batch_id.hex)
        pipe.execute()
    return folded


def _add(connection: sa.Connection, kind: Kind[Any], fields: Mapping[bytes, bytes]) -> None:
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
        logger.warning("malformed counters were dropped", hash=kind.key, fields=malformed)
    if unknown:
        logger.warning(
            "counters of unknown applications were dropped",
            hash=kind.key,
            applications=sorted(unknown),
        )


def _key_of(key: str, batch_id: UUID) -> str:
    return f"{key}:batch:{batch_id.hex}"


def _set_of(key: str) -> str:
    return f"{key}:batches"
