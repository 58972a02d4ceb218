"""Snapshots of the databases that belong together, for programs that read them one by one.

A process commits to several databases, one after another: an import commits the fingerprint
database and then the ingest database; a merge of tracks commits the ingest database first. So
snapshots that are taken one after another could contain the later commit without the earlier one.
Here, no transaction that depends on another database can commit to the fingerprint database while
the snapshots are taken. So they contain, with each commit, all commits of all databases before it:
a state that a crash of all processes could have left, which the service repairs at its next start.

The locks are held for some milliseconds. The snapshots stay until the end of the block.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

import sqlalchemy as sa

from cli.error_messages import explain_database
from cli.errors import StackError
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.catalog.migrate import database_settings
from pipeline.runtime.databases import connect_arguments
from pipeline.settings.sections import Settings

ORDER: Final = ("ingest", "fingerprint", "app")
"""The order of the snapshots. What a row refers to is committed before it, in the later database:
a receipt before its import, accounts, sources and formats before the rows that name them."""

ATTEMPT: Final = 0.8
"""Seconds to wait for each lock. It is less than PostgreSQL's `deadlock_timeout` of 1 s, so an
attempt ends before it can make another transaction fail."""

PAUSE: Final = 0.2
"""Seconds between two attempts, in which waiting imports go on."""

LONGEST_WAIT: Final = 300.0
"""Seconds for all attempts. One batch of an import of data files may hold the lock for a while."""


@contextmanager
def exported_snapshots(settings: Settings) -> Iterator[Mapping[str, str]]:
    """Take snapshots of `ORDER`'s databases; yield their identifiers by name of the database.

    ``pg_dump --snapshot`` and ``SET TRANSACTION SNAPSHOT`` take an identifier, until the block
    ends.

    Raises:
        StackError: a database is unreachable, or another transaction holds a lock for too long.
    """
    with ExitStack() as stack:
        try:
            connections = {name: _connect(settings, name, stack) for name in ORDER}
            snapshots = _take(settings, connections)
        except sa.exc.DBAPIError as error:
            raise StackError(f"no snapshot can be taken: {explain_database(error)}") from error
        yield snapshots


def _connect(settings: Settings, name: str, stack: ExitStack) -> sa.Connection:
    """Open a connection that may be idle in a transaction until the stack is closed."""
    connection = stack.enter_context(_engine(settings, name).connect())
    connection.execute(sa.text("SET idle_in_transaction_session_timeout = 0"))
    connection.commit()
    return connection.execution_options(isolation_level="REPEATABLE READ")


def _take(settings: Settings, connections: Mapping[str, sa.Connection]) -> dict[str, str]:
    """Take the snapshots while the fingerprint database is locked."""
    engine = _engine(settings, "fingerprint")
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            with engine.begin() as locking:
                _lock(locking)
                return {name: _export(connections[name]) for name in ORDER}
        except sa.exc.OperationalError as error:
            if not _is_lock_timeout(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def _lock(connection: sa.Connection) -> None:
    """Prevent commits that depend on the ingest database until the transaction ends.

    Imports, merges and edits take the lock of the catalogue. `disable_mbid` writes the links only.
    """
    lock_catalogue(connection, ATTEMPT)
    connection.execute(sa.text(f"LOCK TABLE {track_mbid.name} IN SHARE MODE"))


def _export(connection: sa.Connection) -> str:
    return str(connection.scalar(sa.select(sa.func.pg_export_snapshot())))


def _is_lock_timeout(error: sa.exc.DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) == "55P03"


def _engine(settings: Settings, name: str) -> sa.Engine:
    url = database_settings(settings)[name].url()
    arguments = connect_arguments("acoustid-backup")
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)
