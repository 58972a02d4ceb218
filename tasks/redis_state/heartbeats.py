"""Heartbeats of workers: a sorted set in Redis with the name of each worker and a time of Redis.

With each heartbeat a worker stores a report: its queues, and the conditions of its index, its
fingerprint store and its sketch index. The report expires with the heartbeat. Beat stores a key
that expires. A worker that ends leaves its heartbeat: a restart within `ALIVE_SECONDS` is no fault.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, cast

import redis

from pipeline.lookups.condition import Condition
from tasks.clocks.shared_clock import in_seconds

ALIVE_SECONDS: Final = 15.0  # a worker sends a heartbeat every 2 s

KEY: Final = "worker:heartbeats"
REPORT: Final = "worker:report:"
_CONDITIONS: Final = frozenset(Condition)
_BEAT: Final = "beat:published"
_BEAT_CLOCK: Final = "beat:clock"
_POSTGRES_CLOCKS: Final = "postgres:clocks"
_POSTGRES_KEPT: Final = 60  # seconds

# The clock of Redis judges all heartbeats, so the clocks of the workers do not matter.
# KEYS: the sorted set, the report. ARGV: the worker, the report, `ALIVE_SECONDS`.
_STORE: Final = """
local time = redis.call('TIME')
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
redis.call('ZADD', KEYS[1], time[1] .. '.' .. string.format('%06d', time[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1] - ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """The state of a worker at its last heartbeat.

    Attributes:
        node: the name of the worker, such as ``lookup-1@host``.
        queues: the queues that it serves.
        index: the condition of its index; None for a worker that does not search.
        store: the condition of its fingerprint store; None for a worker that does not read it.
        index_position: the changelog position of its index; None while it is not usable.
        store_position: the changelog position of its store; None while it is not usable.
        unknown_files: the number of files of the index and the store with unknown names, because
            of which a worker of the queue ``index`` cannot update them.
        index_damage: the damaged file of its index and the problem; an empty text without damage.
        store_damage: the damaged file of its store and the problem; likewise.
        write_problem: why a worker of the queue ``index`` does not write the index or the store at
            the moment, such as ``index: disk full``; an empty text if it does.
        clock_difference: seconds by which the clock of its host is ahead of that of Redis; None if
            it is not known.
        index_lag: the seconds by which its index is behind the database, including the time since
            the last comparison; None if it does not search, or has not compared them.
        free_bytes: the free space of the disks of the index and the store, for a worker of the
            queue ``index``; 0 if one is read-only; None if it writes no files.
        refilled_later: a line for the index or the store that was damaged repeatedly, is empty and
            is filled after a pause, of a worker of the queue ``index``; else an empty text.
        sketch: the condition of its sketch index: of the set rate, or of another rate that is used
            instead; None for a worker that does not search one.
        sketch_position: the changelog position of that index; None while it is not usable.
        sketch_rate: the rate of that index; None while it is not usable.
        sketch_bytes: the bytes of that index on the disk; None while it is not usable.
        sketch_damage: the damaged file of its sketch index and the problem, or an empty text.
    """

    node: str
    queues: tuple[str, ...] = ()
    index: Condition | None = None
    store: Condition | None = None
    index_position: int | None = None
    store_position: int | None = None
    unknown_files: int = 0
    index_damage: str = ""
    store_damage: str = ""
    write_problem: str = ""
    clock_difference: float | None = None
    index_lag: float | None = None
    free_bytes: int | None = None
    refilled_later: str = ""
    sketch: Condition | None = None
    sketch_position: int | None = None
    sketch_rate: int | None = None
    sketch_bytes: int | None = None
    sketch_damage: str = ""


@dataclass(frozen=True, slots=True)
class Processes:
    """The workers that are alive, and beat.

    Attributes:
        reports: the reports of the workers.
        unreported: the number of workers without a report; they run an older version.
        beat: whether beat has published a task in the last `ALIVE_SECONDS`.
        own_clock: seconds by which the clock of this process is ahead of that of Redis.
        beat_clock: the same for beat; None if it is not known.
        postgres_clocks: the same for the PostgreSQL server of each database, as a worker measured
            it in the last minute.
        is_early: whether the asking process is too young to miss beat, which may start after it.
    """

    reports: tuple[WorkerReport, ...]
    unreported: int
    beat: bool
    own_clock: float
    beat_clock: float | None = None
    postgres_clocks: Mapping[str, float] = field(default_factory=dict)
    is_early: bool = False


def store(connection: redis.Redis, report: WorkerReport) -> None:
    """Store a heartbeat of a worker and delete heartbeats that are too old."""
    text = json.dumps(asdict(report))
    connection.eval(_STORE, 2, KEY, REPORT + report.node, report.node, text, int(ALIVE_SECONDS))


def alive(connection: redis.Redis) -> list[str]:
    """Return the names of workers with a heartbeat in the last `ALIVE_SECONDS`."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.zrange(KEY, 0, -1, withscores=True)
        pipe.time()
        beats, now = pipe.execute()
    return _alive(beats, in_seconds(now))


def alive_since(connection: redis.Redis, since: float) -> list[str]:
    """Return the names of workers with a heartbeat after a time of Redis, in seconds."""
    found = connection.zrangebyscore(KEY, since, "+inf")
    return [node.decode() for node in cast("list[bytes]", found)]


def reports(connection: redis.Redis) -> list[WorkerReport]:
    """Return the reports of the workers that are alive."""
    return _reports(connection, alive(connection))


def processes(connection: redis.Redis) -> Processes:
    """Return the state of the workers and of beat."""
    sent = time.time()
    with connection.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.zrange(KEY, 0, -1, withscores=True)
        pipe.exists(_BEAT)
        pipe.get(_BEAT_CLOCK)
        pipe.hgetall(_POSTGRES_CLOCKS)
        time_of_redis, beats, beat, beat_clock, postgres_clocks = pipe.execute()
    now = in_seconds(time_of_redis)
    own_clock = (sent + time.time()) / 2 - now
    nodes = _alive(beats, now)
    reported = _reports(connection, nodes)
    return Processes(
        tuple(reported),
        unreported=len(nodes) - len(reported),
        beat=bool(beat),
        own_clock=own_clock,
        beat_clock=None if beat_clock is None else float(beat_clock),
        postgres_clocks={
            name.decode(): float(difference) for name, difference in postgres_clocks.items()
        },
    )


def store_beat(connection: redis.Redis, clock_difference: float | None = None) -> None:
    """Store that beat has published a task.

    Args:
        connection: the Redis client.
        clock_difference: seconds by which beat's clock is ahead of that of Redis.
    """
    lifetime = int(ALIVE_SECONDS)
    with connection.pipeline(transaction=False) as pipe:
        pipe.set(_BEAT, 1, ex=lifetime)
        if clock_difference is not None:
            pipe.set(_BEAT_CLOCK, clock_difference, ex=lifetime)
        pipe.execute()


def store_postgres_clocks(connection: redis.Redis, differences: Mapping[str, float]) -> None:
    """Store by how many seconds the clock of each database's server is ahead of that of Redis."""
    with connection.pipeline(transaction=True) as pipe:
        pipe.delete(_POSTGRES_CLOCKS)
        for name, difference in differences.items():
            pipe.hset(_POSTGRES_CLOCKS, name, difference)
        pipe.expire(_POSTGRES_CLOCKS, _POSTGRES_KEPT)
        pipe.execute()


def _alive(beats: Sequence[tuple[bytes, float]], now: float) -> list[str]:
    return [node.decode() for node, clock in beats if clock > now - ALIVE_SECONDS]


def _reports(connection: redis.Redis, nodes: Sequence[str]) -> list[WorkerReport]:
    if not nodes:
        return []
    found = cast("list[bytes | None]", connection.mget([REPORT + node for node in nodes]))
    return [_report(text) for text in found if text is not None]


def _report(text: bytes) -> WorkerReport:
    values = json.loads(text)
    return WorkerReport(
        node=values["node"],
        queues=tuple(values["queues"]),
        index=_condition(values["index"]),
        store=_condition(values["store"]),
        # A worker of an older version does not report these.
        index_position=values.get("index_position"),
        store_position=values.get("store_position"),
        unknown_files=values.get("unknown_files", 0),
        index_damage=values.get("index_damage", ""),
        store_damage=values.get("store_damage", ""),
        write_problem=values.get("write_problem", ""),
        clock_difference=values.get("clock_difference"),
        index_lag=values.get("index_lag"),
        free_bytes=values.get("free_bytes"),
        refilled_later=values.get("refilled_later", ""),
        sketch=_condition(values.get("sketch")),
        sketch_position=values.get("sketch_position"),
        sketch_rate=values.get("sketch_rate"),
        sketch_bytes=values.get("sketch_bytes"),
        sketch_damage=values.get("sketch_damage", ""),
    )


def _condition(value: str | None) -> Condition | None:
    # A worker of a newer version may report a condition that this one does not have.
    return Condition(value) if value in _CONDITIONS else None
