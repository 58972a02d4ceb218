"""Reads the status of PostgreSQL, Redis and workers: queues, submissions, counts, copies."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import redis
import sqlalchemy as sa

from api.health.redis_writes import try_write
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.ingest import state_counts
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.runtime.disk_space import least_space
from pipeline.runtime.links.connection_limits import REDIS_STATUS
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import FingerprintIndexSettings, RedisSettings, Settings
from pipeline.storage.format import INDEX_SUFFIX, STORE_SUFFIX
from pipeline.storage.segment_files import list_segments
from tasks.redis_state import heartbeats
from tasks.redis_state import transient_failures as failures
from tasks.redis_state.heartbeats import Processes, WorkerReport
from tasks.redis_state.queue_lengths import backlog

STATEMENT_TIMEOUT: Final = "2s"
"""Maximum time for one count. A large table takes longer, and has no count then."""

STATES: Final = ("failed", "rejected", "pending", "imported")
"""The states of submissions; those that an operator looks at come first."""

UNREACHABLE: Final = (redis.RedisError, sa.exc.SQLAlchemyError, OSError)

Figures = dict[str, Any]
Value = TypeVar("Value")


def redis_state(settings: RedisSettings) -> Figures | None:
    """Return the memory of Redis, and why it refuses writes; None without Redis."""
    try:
        with connect(settings, limits=REDIS_STATUS) as client:
            found = try_write(client)
    except UNREACHABLE:
        return None
    return {
        "memory_bytes": found.memory,
        "max_memory_bytes": found.max_memory or None,
        "refuses_writes": found.refused,
        "warning": found.warning,
    }


def disks(folder: Path | None, reports: Iterable[WorkerReport]) -> Figures:
    """Return the free bytes of the disks of the data directory, and of the index and the store.

    Args:
        folder: the data directory; None if it is not known.
        reports: the reports of the workers.
    """
    own = least_space([folder]) if folder else None
    reported = [each.free_bytes for each in reports if each.free_bytes is not None]
    return {
        "data_dir_free_bytes": own.free_bytes if own else None,
        "index_free_bytes": min(reported, default=None),
    }


def queues_and_workers(
    settings: RedisSettings, names: Iterable[str]
) -> tuple[Figures, Processes] | None:
    """Return the backlog of each queue, and the workers and beat; None without Redis.

    Args:
        settings: the address of Redis.
        names: the names of the queues.
    """
    try:
        with connect(settings, limits=REDIS_STATUS) as client:
            backlogs = {name: backlog(client, name) for name in names}
            found = heartbeats.processes(client)
    except UNREACHABLE:
        return None
    figures = {
        name: {"waiting": each.messages, "oldest_seconds": round(each.age, 1)}
        for name, each in backlogs.items()
    }
    return figures, found


def transient_failures(settings: RedisSettings) -> list[Figures] | None:
    """Return number and age of the transient failures of tasks by cause; None without Redis."""
    try:
        with connect(settings, limits=REDIS_STATUS) as client:
            found = failures.read(client)
    except UNREACHABLE:
        return None
    return [
        {"cause": each.cause, "count": each.count, "seconds_since_last": each.seconds}
        for each in found
    ]


def worker_faults(reports: Iterable[WorkerReport]) -> list[str]:
    """Return a line for each fault of the index or another copy that a worker reports."""
    lines = []
    for each in reports:
        copies = (
            ("index", each.index, each.index_damage),
            ("store", each.store, each.store_damage),
            ("sketch", each.sketch, each.sketch_damage),
        )
        for name, condition, damage in copies:
            if condition not in {None, Condition.OK}:
                named = f" ({damage})" if damage else ""
                lines.append(f"{each.node}: {name} {condition.value}{named}")
        if each.write_problem:
            lines.append(f"{each.node}: not written: {each.write_problem}")
    return lines


def clock_differences(found: Processes) -> dict[str, float]:
    """Return by how many seconds each known clock is ahead of that of Redis, by its owner."""
    clocks = {
        "this host": found.own_clock,
        **{each.node: each.clock_difference for each in found.reports},
        "beat": found.beat_clock,
        **{f"PostgreSQL ({name})": each for name, each in found.postgres_clocks.items()},
    }
    return {owner: round(each, 3) for owner, each in clocks.items() if each is not None}


def submissions(databases: Databases) -> Figures | None:
    """Return the number of submissions by state, and the age of the oldest pending one."""

    def read(connection: sa.Connection) -> Figures:
        oldest = state_counts.oldest_pending_seconds(connection)
        found = state_counts.count_by_state(connection)
        return {
            **{state: found.get(state, 0) for state in STATES},
            "oldest_pending_seconds": oldest,
        }

    return _read(databases, "ingest", read)


def catalogue(databases: Databases) -> Figures | None:
    """Return the number of tracks and of fingerprints."""

    def read(connection: sa.Connection) -> Figures:
        tracks = sa.select(sa.func.count()).select_from(track).where(track.c.new_id.is_(None))
        fingerprints = sa.select(sa.func.count()).select_from(fingerprint)
        return {
            "tracks": connection.scalar(tracks),
            "fingerprints": connection.scalar(fingerprints),
        }

    return _read(databases, "fingerprint", read)


def newest_change(databases: Databases) -> int | None:
    """Return the position of the newest change of a fingerprint."""
    return _read(databases, "fingerprint", newest_position)


def copies(
    settings: Settings, newest: int | None, reports: Iterable[WorkerReport]
) -> dict[str, Figures | None]:
    """Return condition, position and lag of index, store and sketch, as the workers see them.

    If workers differ, the figures are those of the worker with a fault, else of the one furthest
    behind. Store or sketch are None if they are disabled. `refused` has a text for each file whose
    name the writer refuses. Lookups continue, but new changes are not applied.

    Args:
        settings: the settings of the stack.
        newest: the result of `newest_change`.
        reports: the reports of the workers.
    """
    reported = list(reports)
    options = settings.fingerprint_index
    index = {
        **_copy([(each.index, each.index_position) for each in reported], newest),
        "lag_seconds": _lag_seconds(reported),
        "refused": _refused(options.path, INDEX_SUFFIX) if options.protocol == "local" else [],
    }
    store = {
        **_copy([(each.store, each.store_position) for each in reported], newest),
        "refused": _refused(settings.fingerprint_store.path, STORE_SUFFIX),
    }
    return {
        "index": index,
        "store": store if settings.fingerprint_store.enabled else None,
        "sketch": _sketch(options, newest, reported) if options.sketch_rate else None,
    }


def _sketch(
    options: FingerprintIndexSettings, newest: int | None, reports: Sequence[WorkerReport]
) -> Figures:
    """Return the figures of the sketch index; its rate may be another one until it is filled."""
    used = [each for each in reports if each.sketch_rate is not None]
    return {
        **_copy([(each.sketch, each.sketch_position) for each in reports], newest),
        "rate": used[0].sketch_rate if used else None,
        "set_rate": options.sketch_rate,
        "bytes": used[0].sketch_bytes if used else None,
        "refused": _refused(sketch_folder(options.sketch_path, options.sketch_rate), INDEX_SUFFIX),
    }


def _lag_seconds(reports: Iterable[WorkerReport]) -> float | None:
    lags = [each.index_lag for each in reports if each.index_lag is not None]
    return round(max(lags), 1) if lags else None


def _refused(folder: Path, suffix: str) -> list[str]:
    return [
        f"{path} has an unknown name: move it to another folder"
        for path in list_segments(folder, suffix).unknown
    ]


def _copy(states: Iterable[tuple[Condition | None, int | None]], newest: int | None) -> Figures:
    known = [state for state in states if state[0] is not None]
    if not known:
        return {"condition": None, "position": None, "database_position": newest, "lag": None}
    condition, position = min(known, key=lambda state: (state[0] is Condition.OK, state[1] or 0))
    lag = None if position is None or newest is None else max(0, newest - position)
    return {
        "condition": condition,
        "position": position,
        "database_position": newest,
        "lag": lag,
    }


def _read(
    databases: Databases, name: DatabaseName, read: Callable[[sa.Connection], Value]
) -> Value | None:
    """Return what a function reads from a database; None if it fails or takes too long."""
    try:
        with databases.engine(name, read_only=True).begin() as connection:
            connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
            return read(connection)
    except UNREACHABLE:
        return None
