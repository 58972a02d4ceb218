"""The probes: writes and reads of databases, the state in Redis, the maintenance mode."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Final

import redis
import sqlalchemy as sa

from api.access.maintenance import MaintenanceMode
from api.health.probe_runner import Probe
from pipeline.catalog.schema_version import SchemaVersion, schema_version
from pipeline.runtime.databases import DatabaseName, Databases, limit_statements
from tasks.redis_state import heartbeats

# Writes a message to the write-ahead log, which changes no table. PostgreSQL flushes it at the
# commit, and refuses it if the server is read-only or its disk is full.
_WRITE: Final = sa.text("SELECT pg_logical_emit_message(true, 'acoustid', 'health')")
_READ_ONLY: Final = sa.text("SELECT current_setting('transaction_read_only') = 'on'")


class ReadOnlyError(Exception):
    """A database that the service writes to is read only."""


def server_probes(
    databases: Databases, client: redis.Redis, maintenance: MaintenanceMode, deadline: float
) -> Mapping[str, Probe]:
    """Return all probes by name.

    Args:
        databases: the four databases and their read-only replicas.
        client: a Redis client with a short timeout.
        maintenance: the state of the maintenance mode.
        deadline: maximum time in seconds of a statement.
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
        "redis": partial(heartbeats.processes, client),
        "maintenance": lambda: maintenance.current(time.monotonic() + deadline),
    }


def write_database(databases: Databases, name: DatabaseName, *, deadline: float) -> SchemaVersion:
    """Write to a database without changing a table. Return the version of its schema.

    Raises:
        ReadOnlyError: the database is read only.
        sqlalchemy.exc.SQLAlchemyError: it is unreachable, or refuses the write.
    """
    with databases.engine(name).begin() as connection:
        limit_statements(connection, deadline)
        if connection.scalar(_READ_ONLY):
            raise ReadOnlyError(name)
        connection.execute(_WRITE)
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
