"""Heartbeats of workers: a sorted set in Redis with the name of each worker and a time.

With each heartbeat a worker stores a report: its queues, and the conditions of its index and its
fingerprint store. The report expires with the heartbeat. Beat stores a key that expires. A worker
that ends leaves its heartbeat: a restart within `ALIVE_SECONDS` is no fault.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

import redis

from pipeline.lookups.condition import Condition

ALIVE_SECONDS: Final = 15.0  # a worker sends a heartbeat every 2 s

KEY: Final = "worker:heartbeats"
REPORT: Final = "worker:report:"
_CONDITIONS: Final = frozenset(Condition)
_BEAT: Final = "beat:published"


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
    """

    node: str
    queues: tuple[str, ...] = ()
    index: Condition | None = None
    store: Condition | None = None
    index_position: int | None = None
    store_position: int | None = None
    unknown_files: int = 0


@dataclass(frozen=True, slots=True)
class Processes:
    """The workers that are alive, and beat.

    Attributes:
        reports: the reports of the workers.
        unreported: the number of workers without a report; they run an older version.
        beat: whether beat has published a task in the last `ALIVE_SECONDS`.
        clock_difference: the largest difference in seconds between the clock of this process and
            the clock of Redis, or of a worker that is ahead.
    """

    reports: tuple[WorkerReport, ...]
    unreported: int
    beat: bool
    clock_difference: float


def store(connection: redis.Redis, report: WorkerReport) -> None:
    """Store a heartbeat of a worker and delete heartbeats that are too old."""
    now = time.time()
    with connection.pipeline(transaction=False) as pipe:
        pipe.set(REPORT + report.node, json.dumps(asdict(report)), ex=int(ALIVE_SECONDS))
        pipe.zadd(KEY, {report.node: now})
        pipe.zremrangebyscore(KEY, "-inf", now - ALIVE_SECONDS)
        pipe.expire(KEY, int(ALIVE_SECONDS))
        pipe.execute()


def alive(connection: redis.Redis) -> list[str]:
    """Return the names of workers with a heartbeat in the last `ALIVE_SECONDS`."""
    return alive_since(connection, time.time() - ALIVE_SECONDS)


def alive_since(connection: redis.Redis, since: float) -> list[str]:
    """Return the names of workers with a heartbeat after a time, in seconds since the epoch."""
    found = connection.zrangebyscore(KEY, since, "+inf")
    return [node.decode() for node in cast("list[bytes]", found)]


def reports(connection: redis.Redis) -> list[WorkerReport]:
    """Return the reports of the workers that are alive."""
    return _reports(connection, alive(connection))


def processes(connection: redis.Redis) -> Processes:
    """Return the state of the workers and of beat."""
    with connection.pipeline(transaction=False) as pipe:
        pipe.zrangebyscore(KEY, time.time() - ALIVE_SECONDS, "+inf", withscores=True)
        pipe.exists(_BEAT)
        pipe.time()
        beats, beat, (seconds, microseconds) = pipe.execute()
    now = time.time()
    nodes = [node.decode() for node, _ in beats]
    reported = _reports(connection, nodes)
    return Processes(
        tuple(reported),
        unreported=len(nodes) - len(reported),
        beat=bool(beat),
        clock_difference=max(
            abs(seconds + microseconds / 1e6 - now), *(clock - now for _, clock in beats), 0.0
        ),
    )


def store_beat(connection: redis.Redis) -> None:
    """Store that beat has published a task."""
    connection.set(_BEAT, int(time.time()), ex=int(ALIVE_SECONDS))


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
    )


def _condition(value: str | None) -> Condition | None:
    # A worker of a newer version may report a condition that this one does not have.
    return Condition(value) if value in _CONDITIONS else None
