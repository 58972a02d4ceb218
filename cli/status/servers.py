"""What PostgreSQL and Redis say about a stack: queues, submissions, counts, index and store."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

import redis
import sqlalchemy as sa

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.ingest import state_counts
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings, Settings
from pipeline.storage.format import INDEX_SUFFIX, STORE_SUFFIX
from pipeline.storage.segment_files import list_segments
from tasks import queues
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.queue_lengths import backlog

STATEMENT_TIMEOUT: Final = "2s"
"""Maximum time for one count. A large table takes longer, and has no count then."""

STATES: Final = ("failed", "rejected", "pending", "imported")
"""The states of submissions; those that an operator looks at come first."""

CONNECT_TIMEOUT: Final = 3
"""Seconds to wait for a connection to PostgreSQL."""

REPLY_TIMEOUT: Final = 2.0
"""Seconds to wait for the reply of Redis to a command."""

UNREACHABLE: Final = (redis.RedisError, sa.exc.SQLAlchemyError, OSError)

Figures = dict[str, Any]
Value = TypeVar("Value")


def queues_and_workers(settings: RedisSettings) -> tuple[Figures, list[WorkerReport]] | None:
    """Return the backlog of each queue and the reports of the workers; None without Redis."""
    try:
        with connect(settings, timeout=REPLY_TIMEOUT) as client:
            backlogs = {name: backlog(client, name) for name in queues.NAMES}
            reports = heartbeats.reports(client)
    except UNREACHABLE:
        return None
    figures = {
        name: {"waiting": found.messages, "oldest_seconds": round(found.age, 1)}
        for name, found in backlogs.items()
    }
    return figures, sorted(reports, key=lambda report: report.node)


def worker_faults(reports: Iterable[WorkerReport]) -> list[str]:
    """Return a line for each fault of the index or the store that a worker reports."""
    copies = [
        (each.node, name, condition)
        for each in reports
        for name, condition in (("index", each.index), ("store", each.store))
    ]
    return [
        f"{node}: {name} {condition.value}"
        for node, name, condition in copies
        if condition not in {None, Condition.OK}
    ]


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


def index_and_store(
    settings: Settings, newest: int | None, reports: Iterable[WorkerReport]
) -> tuple[Figures | None, Figures | None]:
    """Return condition, position and lag of the index and of the store, as the workers see them.

    If workers differ, the figures are those of the worker with a fault, else of the one furthest
    behind. The store is None if it is disabled. `refused` has a text for each file whose name
    the writer refuses. Lookups continue, but new changes are not applied.

    Args:
        settings: the settings of the stack.
        newest: the result of `newest_change`.
        reports: the reports of the workers.
    """
    reported = list(reports)
    is_local = settings.fingerprint_index.protocol == "local"
    index = {
        **_copy([(each.index, each.index_position) for each in reported], newest),
        "refused": _refused(settings.fingerprint_index.path, INDEX_SUFFIX) if is_local else [],
    }
    if not settings.fingerprint_store.enabled:
        return index, None
    store = {
        **_copy([(each.store, each.store_position) for each in reported], newest),
        "refused": _refused(settings.fingerprint_store.path, STORE_SUFFIX),
    }
    return index, store


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
