"""The snapshots of an export, and what it reads of the databases besides the rows."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS

from pipeline.catalog.app.tables import audio_format
from pipeline.catalog.fingerprint.tables import imported_day
from pipeline.catalog.schema_version import schema_version
from pipeline.export.errors import ExportRefusedError
from pipeline.export.finality import oldest_begin
from pipeline.export.private import METADATA
from pipeline.runtime.databases import DatabaseName, Databases

_IDENTITY: Final = sa.text(
    """
    SELECT (SELECT system_identifier FROM pg_control_system())
           || ':' || (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)

_PRIVATE: Final[tuple[DatabaseName, ...]] = ("ingest", "fingerprint", "app")
"""The databases of a private export, in the order of the snapshots.

An import writes to the fingerprint database before it marks the receipt. So a receipt that one
snapshot has as pending may be imported in the next one, but not the other way round. The rows of
accounts, sources and formats that the others refer to are in the last one.
"""

_PUBLIC: Final[tuple[DatabaseName, ...]] = ("fingerprint", "app")
"""The databases of another export. It reads the names of formats in `app`, and nothing else."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The snapshots of a run.

    Attributes:
        connections: a connection to each database, whose statements all read one snapshot.
        database: the identity of the fingerprint database.
        time: the time of the snapshot of the fingerprint database.
        final_before: the days before this one are final.
        imported: when rows were last added to days that are over, by table and day.
    """

    connections: Mapping[str, sa.Connection]
    database: str
    time: datetime
    final_before: date
    imported: Mapping[tuple[str, date], datetime]

    @property
    def fingerprint(self) -> sa.Connection:
        """The connection to the fingerprint database."""
        return self.connections["fingerprint"]

    def formats(self) -> dict[int, str]:
        """Return the names of the formats by id."""
        columns = sa.select(audio_format.c.id, audio_format.c.name)
        return {row.id: row.name for row in self.connections["app"].execute(columns)}

    def highest_ids(self, *, is_private: bool) -> dict[str, int]:
        """Return the highest id that each table has or had, by table.

        Args:
            is_private: whether to read the tables of all databases, not only the catalogue.
        """
        names = _PRIVATE if is_private else ("fingerprint",)
        found: dict[str, int] = {}
        for name in names:
            found |= _highest_ids(self.connections[name], METADATA[name])
        return found


@contextmanager
def open_snapshots(databases: Databases, *, is_private: bool) -> Iterator[Snapshots]:
    """Take the snapshots of a run.

    Raises:
        ExportRefusedError: a database is not of this version.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
    """
    with databases.engine("fingerprint").begin() as connection:
        final_before = oldest_begin(connection).astimezone(UTC).date()
    with ExitStack() as stack:
        connections: dict[str, sa.Connection] = {}
        for name in _PRIVATE if is_private else _PUBLIC:
            connections[name] = stack.enter_context(_snapshot(databases.engine(name)))
            problem = schema_version(connections[name], name).problem(name)
            if problem:
                raise ExportRefusedError(problem)
        fingerprint = connections["fingerprint"]
        yield Snapshots(
            connections,
            str(fingerprint.scalar(_IDENTITY)),
            _begin(fingerprint),
            final_before,
            _imported_days(fingerprint),
        )


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection whose statements all read one snapshot, and whose times are in UTC.

    It is not one of the pool, which may be smaller than the number of snapshots.
    """
    connection = engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    )
    try:
        connection.detach()
        connection.execute(sa.text("SET LOCAL TimeZone = 'UTC'"))
        connection.execute(sa.text("SET LOCAL bytea_output = 'hex'"))
        connection.execute(sa.text("SELECT 1"))  # the first query takes the snapshot
        yield connection
    finally:
        connection.close()


def _begin(connection: sa.Connection) -> datetime:
    """Return the begin of the transaction: no row of the snapshot was committed much later."""
    found: datetime = connection.execute(sa.select(sa.func.now())).scalar_one()
    return found.astimezone(UTC)


def _imported_days(connection: sa.Connection) -> dict[tuple[str, date], datetime]:
    rows = connection.execute(sa.select(imported_day)).all()
    return {(row.table_name, row.day): row.imported.astimezone(UTC) for row in rows}


def _highest_ids(connection: sa.Connection, metadata: sa.MetaData) -> dict[str, int]:
    """Return the highest ids of the tables whose ids PostgreSQL numbers."""
    found: dict[str, int] = {}
    for table in metadata.sorted_tables:
        if "id" not in table.c or table.c.id.identity is None:
            continue
        sequence = sa.cast(sa.func.pg_get_serial_sequence(table.name, "id"), REGCLASS)
        last = sa.func.pg_sequence_last_value(sequence)  # null if it has given none
        highest = sa.select(sa.func.greatest(sa.func.max(table.c.id), last)).select_from(table)
        value = connection.scalar(highest)
        if value is not None:
            found[table.name] = int(value)
    return found
