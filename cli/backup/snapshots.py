"""The snapshots of a backup, all taken within a moment, which several ``pg_dump`` read.

A transaction exports its snapshot under a name, and another process imports it:
https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION. The
order of the snapshots, and the locks that are held while they are taken, leave only differences
between the databases that an interrupted import leaves too (decision 41).
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from cli.backup.manifest import ORDER
from cli.errors import StackError
from pipeline.catalog.advisory_locks import keep_musicbrainz_tables, lock_catalogue
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.catalog.migrate import database_settings
from pipeline.catalog.schema_version import is_mirror, version_table
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.settings.sections import DatabaseSettings, Settings

LOCK_WAIT: Final = 300.0
"""Seconds for all attempts to lock the catalogue. One batch of an import of data files, or a merge,
may hold it for a while."""

ATTEMPT: Final = 0.8
"""Seconds of one attempt for each lock. PostgreSQL looks for a deadlock after 1 s
(``deadlock_timeout``), and would make another transaction fail."""

PAUSE: Final = 0.2
"""Seconds between two attempts, in which waiting imports go on."""

_LOCK_NOT_AVAILABLE: Final = "55P03"

# A name alone does not tell whether two sections of the settings mean one database.
_SAME_DATABASE: Final = sa.text(
    """
    SELECT oid, datname, pg_postmaster_start_time()
    FROM pg_database WHERE datname = current_database()
    """
)

_MAY_READ_CLUSTER: Final = sa.text(
    "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
)
_CLUSTER: Final = sa.text("SELECT system_identifier FROM pg_control_system()")
_DATABASE: Final = sa.text("SELECT oid FROM pg_database WHERE datname = current_database()")

# The server may end transactions that are idle or long, and the first one of a backup is both.
_NO_LIMITS: Final = ("statement_timeout", "idle_in_transaction_session_timeout")
_NO_LIMITS_17: Final = "transaction_timeout"

_SNAPSHOT: Final = sa.text("SELECT pg_export_snapshot(), clock_timestamp()")


@dataclass(frozen=True, slots=True)
class Source:
    """A PostgreSQL database that a backup dumps.

    Attributes:
        names: the logical databases in it, in the order of `ORDER`.
        settings: its address.
        server_version: ``server_version_num``, such as 180001.
        revisions: the revision of the schema of each logical database.
    """

    names: tuple[DatabaseName, ...]
    settings: DatabaseSettings
    server_version: int
    revisions: dict[str, str]

    @property
    def server_major(self) -> int:
        """The major version of its server."""
        return self.server_version // 10000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a database. It can be imported while its transaction is open.

    Attributes:
        source: the database.
        name: the name under which it is exported.
        taken: when, by the clock of the server, in UTC.
        connection: the transaction, whose statements read the snapshot.
    """

    source: Source
    name: str
    taken: datetime
    connection: sa.Connection

    def end(self) -> None:
        """End the transaction, so that the server may remove old rows again."""
        self.connection.close()


def find_sources(settings: Settings, databases: Databases) -> tuple[list[Source], tuple[str, ...]]:
    """Return the databases to dump in the order of `ORDER`, and the logical ones to leave out.

    Raises:
        StackError: a database is not migrated.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
    """
    sections = database_settings(settings)
    found: dict[tuple[object, ...], Source] = {}
    left_out: list[str] = []
    for name in ORDER:
        with databases.engine(name).connect() as connection:
            if is_mirror(connection, name):
                left_out.append(name)
                continue
            identity = tuple(connection.execute(_SAME_DATABASE).one())
            version = int(connection.execute(sa.text("SHOW server_version_num")).scalar_one())
            revision = _revision(connection, name)
        same = found.get(identity)
        before = (same.names, same.revisions) if same else ((), {})
        found[identity] = Source(
            (*before[0], name), sections[name], version, {**before[1], name: revision}
        )
    return list(found.values()), tuple(left_out)


def service_identity(databases: Databases) -> str:
    """Return a text that differs between fingerprint databases: the server's and its own number."""
    with databases.engine("fingerprint").connect() as connection:
        number = connection.scalar(_DATABASE)
        if connection.scalar(_MAY_READ_CLUSTER):
            return f"{connection.scalar(_CLUSTER)}:{number}"
        url = connection.engine.url
        return f"{url.host}:{url.port}:{number}"


@contextmanager
def open_snapshots(databases: Databases, sources: Sequence[Source]) -> Iterator[list[Snapshot]]:
    """Take the snapshots of databases in their order; their transactions end with the block.

    Imports, merges and edits wait for some milliseconds.

    Raises:
        StackError: another command changes the catalogue for longer than `LOCK_WAIT`.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
    """
    with ExitStack() as stack:
        opened = [_open(databases, each, stack) for each in sources]
        with _no_changes(databases):
            taken = [_take(each, source) for each, source in zip(opened, sources, strict=True)]
        yield taken


def _open(databases: Databases, source: Source, stack: ExitStack) -> sa.Connection:
    """Open a transaction that has no snapshot yet: settings of a session take none."""
    connection = stack.enter_context(databases.engine(source.names[0]).connect())
    connection = connection.execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    connection.detach()  # a pool may be smaller than the number of transactions
    if "musicbrainz" in source.names:
        keep_musicbrainz_tables(connection)  # before the snapshot, and until the dump ends
        connection.commit()
    limits = (*_NO_LIMITS, *([_NO_LIMITS_17] if source.server_major >= 17 else []))
    for name in limits:
        connection.execute(sa.text(f"SET LOCAL {name} = 0"))
    return connection


@contextmanager
def _no_changes(databases: Databases) -> Iterator[None]:
    """Prevent commits that depend on other databases during the block.

    Imports, merges and edits take the lock of the catalogue. Changes of MBIDs take none, but write
    the links.
    """
    with databases.engine("fingerprint").connect() as connection:
        deadline = time.monotonic() + LOCK_WAIT
        while not _lock(connection):
            if time.monotonic() > deadline:
                raise StackError(
                    f"another command has changed the catalogue for {LOCK_WAIT:.0f} s, such as an "
                    "import or a merge: run the backup again after its end"
                )
            time.sleep(PAUSE)
        yield
        connection.rollback()


def _lock(connection: sa.Connection) -> bool:
    """Take the locks; return False, without them, if another transaction holds one of them."""
    try:
        lock_catalogue(connection, ATTEMPT)
        connection.execute(sa.text(f"LOCK TABLE {track_mbid.fullname} IN SHARE MODE"))
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        connection.rollback()
        return False
    return True


def _take(connection: sa.Connection, source: Source) -> Snapshot:
    name, taken = connection.execute(_SNAPSHOT).one()
    return Snapshot(source, str(name), taken.astimezone(UTC), connection)


def _revision(connection: sa.Connection, name: str) -> str:
    table = version_table(name)
    if connection.scalar(sa.select(sa.func.to_regclass(table))) is None:
        raise StackError(f"the database {name} has no tables: run `acoustid migrate`")
    revision = sa.select(sa.column("version_num", sa.Text)).select_from(sa.table(table))
    return str(connection.execute(revision).scalar_one())
