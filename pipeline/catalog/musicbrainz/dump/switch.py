"""Begins and ends a load: removes leftovers, renames the schemas, drops the old tables."""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import (
    lock_migrations_until_commit,
    lock_musicbrainz_tables,
)
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.foreign_objects import require_own_objects
from pipeline.catalog.musicbrainz.dump.grants import copy_rights
from pipeline.catalog.musicbrainz.dump.new_tables import create_views
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD, PROGRESS, exists, run
from pipeline.catalog.musicbrainz.tables import SCHEMA
from pipeline.catalog.schema_version import is_mirror, schema_version

NAME: Final = "musicbrainz"
"""The logical name of the database."""

LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait for the last readers of the replaced tables."""


def require_copy(connection: sa.Connection) -> None:
    """Refuse a database that no load may change.

    Raises:
        DumpError: it is a mirror, is not migrated, or has objects that would be lost.
    """
    if is_mirror(connection, NAME):
        raise DumpError(
            f"the database {connection.engine.url.database} is a mirror of MusicBrainz, which its "
            "own tools keep up to date: `acoustid musicbrainz connect` checks it. To load a dump, "
            "name another database in [database_musicbrainz] and run `acoustid migrate`"
        )
    problem = schema_version(connection, NAME).problem(str(connection.engine.url.database))
    if problem is not None:
        raise DumpError(problem)
    require_own_objects(connection)


def switch(connection: sa.Connection) -> None:
    """Replace the tables in use by the new ones, in one transaction.

    No table is locked, so no lookup waits: each statement reads the schema that has the name at
    its start. A backup reads many tables in one snapshot, so the switch waits for its end.

    Raises:
        DumpError: a migration has changed the tables since the load began.
    """
    with connection.begin():
        lock_musicbrainz_tables(connection)
        lock_migrations_until_commit(connection)
        require_copy(connection)
        create_views(connection)
        run(connection, f"DROP TABLE {PROGRESS}")
        copy_rights(connection)
        run(connection, f"ALTER SCHEMA {SCHEMA} RENAME TO {OLD}")
        run(connection, f"ALTER SCHEMA {NEW} RENAME TO {SCHEMA}")


def drop_schema(connection: sa.Connection, name: str) -> bool:
    """Drop a schema of a load, if it exists.

    Args:
        connection: a connection without a transaction.
        name: `NEW` or `OLD`.

    Returns:
        Whether it is gone. Otherwise another transaction has read its tables for too long.
    """
    try:
        with connection.begin():
            if exists(connection, name):
                run(connection, f"SET LOCAL lock_timeout = {round(LOCK_TIMEOUT * 1000)}")
                run(connection, f"DROP SCHEMA {name} CASCADE")
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "pgcode", None) != "55P03":  # lock_not_available
            raise
        return False
    return True
