"""The probes: writes and reads of databases and Redis, queues, the maintenance mode."""

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import redis
import sqlalchemy as sa

from api.access.maintenance import MaintenanceMode
from api.health.musicbrainz_judge import FollowedCopy
from api.health.probe_runner import Probe
from api.health.queue_progress import QueueProgress
from api.health.redis_writes import try_write
from pipeline.catalog.musicbrainz.replication.position import read_position
from pipeline.catalog.schema_version import SchemaVersion, schema_version
from pipeline.runtime.databases import DatabaseName, Databases, limit_statements
from tasks.redis_state import heartbeats, ingest_reports
from tasks.redis_state.heartbeats import Processes
from tasks.redis_state.ingest_reports import IngestProcesses

# Writes a message to the write-ahead log, which changes no table. PostgreSQL flushes it at the
# commit, and refuses it if the server is read-only or the log's disk is full.
_WRITE: Final = sa.text("SELECT pg_logical_emit_message(true, 'acoustid', 'health')")
# Writes 72 KB to a temporary file on the disk of the tables, which is deleted at once. The log has
# space of its own, so tables may be unable to grow although a write to the log succeeds.
_GROW: Final = (
    sa.text("SET LOCAL work_mem = '64kB'"),
    sa.text("SET LOCAL temp_tablespaces = ''"),
    sa.text("SELECT count(*) FROM generate_series(1, 5000)"),
)
# A commit that waits for a synchronous standby ends neither by a time limit nor when its client is
# gone. So without this, each check would leave a process at the server.
_COMMIT_HERE: Final = sa.text("SET LOCAL synchronous_commit = local")
_READ_ONLY: Final = sa.text("SELECT current_setting('transaction_read_only') = 'on'")


class ReadOnlyError(Exception):
    """A database that the service writes to is read only."""


def server_probes(
    databases: Databases,
    client: redis.Redis,
    maintenance: MaintenanceMode,
    deadline: float,
    beat_expected: float = 0.0,
    musicbrainz_max_lag: float = 0.0,
) -> Mapping[str, Probe]:
    """Return all probes by name.

    Args:
        databases: the four databases and their read-only replicas.
        client: a Redis client with a short timeout.
        maintenance: the state of the maintenance mode.
        deadline: maximum time in seconds of a statement.
        beat_expected: the time (`time.monotonic`) from which a beat that published no task is a
            fault, and so is a missing process that takes submissions from NATS.
        musicbrainz_max_lag: seconds by which the copy of MusicBrainz may be behind; 0 for any time.
    """
    write = partial(write_database, databases, deadline=deadline)
    read = partial(read_database, databases, deadline=deadline)
    return {
        "app write": partial(write, "app"),
        "app read": partial(read, "app"),
        "app replica": partial(read, "app", read_only=True),
        "ingest write": partial(write, "ingest"),
        "ingest replica": partial(read, "ingest", read_only=True),
        "fingerprint write": partial(write, "fingerprint"),
        "fingerprint replica": partial(read, "fingerprint", read_only=True),
        "musicbrainz read": partial(read, "musicbrainz"),
        "musicbrainz replica": partial(read, "musicbrainz", read_only=True),
        "musicbrainz position": partial(_followed_copy, databases, deadline, musicbrainz_max_lag),
        "redis": partial(_processes, client, beat_expected),
        "redis write": partial(try_write, client),
        "nats ingest": partial(_ingest_processes, client, beat_expected),
        "queues": QueueProgress(client).stuck,
        "maintenance": lambda: maintenance.current(time.monotonic() + deadline),
    }


def _processes(client: redis.Redis, beat_expected: float) -> Processes:
    is_early = time.monotonic() < beat_expected
    return replace(heartbeats.processes(client), is_early=is_early)


def _ingest_processes(client: redis.Redis, expected: float) -> IngestProcesses:
    return IngestProcesses(ingest_reports.read(client), is_early=time.monotonic() < expected)


def _followed_copy(databases: Databases, deadline: float, max_lag: float) -> FollowedCopy:
    with databases.engine("musicbrainz", read_only=True).connect() as connection:
        limit_statements(connection, deadline)
        return FollowedCopy(read_position(connection), max_lag)


def write_database(databases: Databases, name: DatabaseName, *, deadline: float) -> SchemaVersion:
    """Write to the log and the disk of a database, to no table. Return the version of its schema.

    The commit waits for no standby.

    Raises:
        ReadOnlyError: the database is read only.
        sqlalchemy.exc.SQLAlchemyError: it is unreachable, or refuses the write.
    """
    with databases.engine(name).begin() as connection:
        limit_statements(connection, deadline)
        if connection.scalar(_READ_ONLY):
            raise ReadOnlyError(name)
        connection.execute(_COMMIT_HERE)
        connection.execute(_WRITE)
        for statement in _GROW:
            connection.execute(statement)
        return schema_version(connection, name)


def read_database(
    databases: Databases, name: DatabaseName, *, deadline: float, read_only: bool = False
) -> SchemaVersion:
    """Return the version of the schema of a database, or of its read-only replica.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it is unreachable.
    """
    with databases.engine(name, read_only=read_only).begin() as connection:
        limit_statements(connection, deadline)
        return schema_version(connection, name)
