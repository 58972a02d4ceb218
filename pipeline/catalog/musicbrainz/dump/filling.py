"""Copies the tables of a dump into the schema `NEW`, each in one transaction."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

import psycopg2
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.dump.dump_format import (
    OPTIONAL,
    REPLICATION_FILE,
    SCHEMA_FILE,
    STATE_FILES,
    TABLES,
)
from pipeline.catalog.musicbrainz.dump.errors import DumpError, OtherDumpError
from pipeline.catalog.musicbrainz.dump.new_tables import create_keys, create_table
from pipeline.catalog.musicbrainz.dump.schemas import NEW, PROGRESS, run
from pipeline.catalog.musicbrainz.dump.source import DumpSource, Entry
from pipeline.catalog.musicbrainz.dump.state import LONGEST, DumpState, require_schema
from pipeline.catalog.musicbrainz.dump.table_stream import PIECE, Content, TableStream
from pipeline.catalog.musicbrainz.tables import METADATA, SCHEMA

Progress = Callable[[str, int], None]

_CREATE_PROGRESS: Final = f"""
    CREATE TABLE IF NOT EXISTS {PROGRESS} (
        name text PRIMARY KEY, size bigint NOT NULL, sha256 text NOT NULL, lines bigint NOT NULL
    )
"""
_READ_PROGRESS: Final = sa.text(f"SELECT name, size, sha256, lines FROM {PROGRESS}")  # noqa: S608
_ADD_PROGRESS: Final = sa.text(f"INSERT INTO {PROGRESS} VALUES (:name, :size, :sha256, :lines)")  # noqa: S608


class Filling:
    """One pass over a dump.

    Args:
        connection: a connection without a transaction, of the owner of the tables.
        source: the dump.
        progress: see `load.load_dump`.

    Attributes:
        rows: number of rows of each table that was read.
        kept: tables that an interrupted load had completed.
        missing: optional tables that the dump does not have.
    """

    def __init__(self, connection: sa.Connection, source: DumpSource, progress: Progress) -> None:
        self.rows: dict[str, int] = {}
        self.kept: list[str] = []
        self.missing: tuple[str, ...] = ()
        self._connection = connection
        self._source = source
        self._progress = progress
        self._name = ""
        self._state = DumpState()
        self._states: set[str] = set()
        self._complete: dict[str, Content] = {}

    def run(self) -> None:
        """Read the dump to its end, and fill all tables.

        Raises:
            DumpError: the dump is not valid, or the database refuses a row.
            OtherDumpError: a table of an interrupted load has other rows than this dump.
        """
        with self._connection.begin():
            run(self._connection, f"CREATE SCHEMA IF NOT EXISTS {NEW}")
            run(self._connection, _CREATE_PROGRESS)
            self._complete = {
                row.name: Content(row.size, row.sha256, row.lines)
                for row in self._connection.execute(_READ_PROGRESS)
            }
            for name in TABLES:  # a killed load may have left it without rows
                if name not in self._complete:
                    run(self._connection, f"DROP TABLE IF EXISTS {NEW}.{name}")
        for entry in self._source.entries(self._count):
            if entry.name in STATE_FILES:
                self._read_state(entry)
            else:
                self._read_table(entry)
        self._require_whole()
        self._add_missing()
        self._set_state()

    def _count(self, size: int) -> None:
        if size:  # 0 means that indexes are created
            self._progress(self._name, size)

    def _read_state(self, entry: Entry) -> None:
        if entry.name in self._states:
            raise DumpError(f"{entry.where} is in the dump twice: {self._source.repair}")
        self._states.add(entry.name)
        content = entry.file.read(LONGEST + 1)
        self._state = self._state.with_file(entry.name, content, entry.where)

    def _read_table(self, entry: Entry) -> None:
        self._name = name = entry.name
        if name in self.rows:
            raise DumpError(f"{entry.where} is in the dump twice: {self._source.repair}")
        stream = TableStream(entry, self._source.repair)
        if name in self._complete:
            if stream.drain() != self._complete[name]:
                raise OtherDumpError
            self.kept.append(name)
            self.rows[name] = self._complete[name].lines
            return
        with self._connection.begin():
            self._require_rows(entry)
            self.rows[name] = self._load(entry, stream).lines

    def _require_rows(self, entry: Entry) -> None:
        """Refuse an empty file of a required table, and one of a table that has rows now."""
        if entry.size:
            return
        if entry.name not in OPTIONAL:
            raise DumpError(f"{entry.where} is empty: {self._source.repair}")
        any_row = sa.select(sa.literal(1)).select_from(_table(entry.name)).limit(1)
        if self._connection.execute(any_row).first() is not None:
            raise DumpError(
                f"{entry.where} is empty, but its table has rows: {self._source.repair}; to empty "
                f"the table ({OPTIONAL[entry.name]}), load an unpacked dump without the file"
            )

    def _load(self, entry: Entry, stream: TableStream) -> Content:
        """Fill a table, in the transaction of the caller."""
        name = entry.name
        create_table(self._connection, name)
        try:
            copied = self._copy(name, stream)
            content = stream.drain()
            if copied != content.lines:
                raise DumpError(
                    f"{entry.where} has {content.lines} lines, but PostgreSQL has read {copied} "
                    rf"rows: a line is `\.` or has an escaped line break. {self._source.repair}"
                )
            self._progress(name, 0)
            create_keys(self._connection, name)
        except psycopg2.Error as error:
            if stream.error is not None:
                raise stream.error from None
            if isinstance(error, psycopg2.DataError):
                raise _refusal(entry, error) from error
            raise sa.exc.DBAPIError(f"COPY {name}", None, error) from error
        except sa.exc.IntegrityError as error:
            if not isinstance(error.orig, psycopg2.Error):
                raise
            raise _refusal(entry, error.orig) from error
        self._complete_table(name, content)
        return content

    def _copy(self, name: str, stream: TableStream) -> int:
        """Send a file. FREEZE makes a VACUUM unnecessary; it needs a table of this transaction."""
        columns = ", ".join(_table(name).columns.keys())
        statement = f"COPY {NEW}.{name} ({columns}) FROM STDIN WITH (FREEZE)"
        with closing(self._connection.connection.cursor()) as cursor:
            cursor.copy_expert(statement, stream, PIECE)
            return int(cursor.rowcount)

    def _complete_table(self, name: str, content: Content) -> None:
        run(self._connection, f"ANALYZE {NEW}.{name}")
        values = {"size": content.size, "sha256": content.sha256, "lines": content.lines}
        self._connection.execute(_ADD_PROGRESS, {"name": name, **values})

    def _require_whole(self) -> None:
        where = self._source.path
        needed = [name for name in TABLES if name not in self.rows and name not in OPTIONAL]
        if needed:
            raise DumpError(
                f"{where} has no table {', '.join(needed)}: give mbdump.tar.bz2 of a MusicBrainz "
                "dump"
            )
        if self._source.needs_state and SCHEMA_FILE not in self._states:
            raise DumpError(
                f"{where} has no file {SCHEMA_FILE}, so the version of its schema is unknown: give "
                "mbdump.tar.bz2 as MusicBrainz publishes it"
            )

    def _add_missing(self) -> None:
        """Create the tables that the dump does not have."""
        self.missing = tuple(name for name in TABLES if name not in self.rows)
        if any(name in self._complete for name in self.missing):
            raise OtherDumpError
        with self._connection.begin():
            for name in self.missing:
                create_table(self._connection, name)
                create_keys(self._connection, name)
                run(self._connection, f"ANALYZE {NEW}.{name}")

    def _set_state(self) -> None:
        """Set schema, packet and time to those of the state files, as MusicBrainz's import does."""
        control = f"{NEW}.replication_control"
        state = self._state
        values: dict[str, Any] = {
            "current_schema_sequence": state.schema_sequence,
            "current_replication_sequence": state.replication_sequence,
            "last_replication_date": state.timestamp,
        }
        known = {name: value for name, value in values.items() if value is not None}
        if REPLICATION_FILE in self._states:
            known["current_replication_sequence"] = state.replication_sequence
        table = _table("replication_control").to_metadata(sa.MetaData(), schema=NEW)
        with self._connection.begin():
            row = self._connection.execute(sa.select(table).limit(1)).first()
            if row is not None:
                require_schema(row.current_schema_sequence, f"{self._source.path}: {control}")
                if known:
                    self._connection.execute(sa.update(table).values(known))
            elif state.schema_sequence is not None:
                self._connection.execute(sa.insert(table).values(id=1, **known))


def _table(name: str) -> sa.Table:
    return METADATA.tables[f"{SCHEMA}.{name}"]


def _refusal(entry: Entry, error: psycopg2.Error) -> DumpError:
    """Return an error with the file, and the line or the duplicate key."""
    where = error.diag.context or error.diag.message_detail
    reason = error.diag.message_primary or str(error)
    return DumpError(f"{entry.where} can't be loaded: {reason}{f' ({where})' if where else ''}")
