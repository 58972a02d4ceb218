"""Loads a MusicBrainz dump into the database (`acoustid musicbrainz load`)."""

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import psycopg2
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import METADATA

Progress = Callable[[str, int], None]

_PIECE: Final = 1 << 20  # bytes of a file in one read

# Statements that drop and create the keys and other indexes of a table.
_KEYS: Final = sa.text(
    """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s',
                  conrelid::regclass, conname, pg_get_constraintdef(oid))
      FROM pg_constraint
     WHERE conrelid = to_regclass(:name) AND contype IN ('p', 'u')
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
      FROM pg_index
     WHERE indrelid = to_regclass(:name)
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    """
)


FOLDER: Final = "mbdump"
"""The directory in a dump's archive."""

OPTIONAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "area": "no effect on lookups",
        "artist_credit": "no effect on lookups",
        "iso_3166_1": "release events have no countries",
        "isrc": "lookups have no ISRCs",
        "medium_format": "mediums have no formats",
        "recording_gid_redirect": "redirects of merged MBIDs are unknown",
        "release_country": "releases have no events with a country",
        "release_group_primary_type": "release groups have no primary types",
        "release_group_secondary_type": "release groups have no secondary types",
        "release_group_secondary_type_join": "release groups have no secondary types",
        "release_unknown_country": "releases have no events without a country",
        "replication_control": (
            "the date of the dump is unknown, so missing MBIDs are not disabled"
        ),
    }
)
"""Optional tables, and the effect of leaving each out."""


_UNPACK: Final = "unpack the archive of the dump again, and check that the disk has enough space"


class DumpError(ValueError):
    """A dump can't be loaded. The message says what to change."""


@dataclass(frozen=True, slots=True)
class DumpFile:
    """The file of one table.

    Attributes:
        size: bytes.
    """

    table: sa.Table
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Dump:
    """The files of a directory.

    Attributes:
        files: the files of the tables, in the order of their names.
        missing: optional tables without a file.
    """

    files: tuple[DumpFile, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def open_dump(directory: Path) -> Dump:
    """Check the start and the end of each file of an unpacked dump, and return the files.

    Args:
        directory: the directory of the unpacked archive, or ``mbdump`` in it.

    Raises:
        DumpError: a required file is missing or empty, or a file is cut or has a wrong number of
            columns.
    """
    folder = directory / FOLDER if (directory / FOLDER).is_dir() else directory
    tables = sorted(METADATA.tables.values(), key=lambda table: table.name)
    absent = [table.name for table in tables if not (folder / table.name).is_file()]
    needed = [name for name in absent if name not in OPTIONAL]
    if needed:
        raise DumpError(
            f"{folder} has no file {', '.join(needed)}: unpack mbdump.tar.bz2 of a MusicBrainz "
            "dump there, or give the directory of the unpacked dump"
        )
    files = tuple(_file(table, folder / table.name) for table in tables if table.name not in absent)
    return Dump(files, tuple(absent))


class CountedFile:
    """A file for COPY that reports the number of bytes read.

    Args:
        file: opened for reading.
        progress: is called with the number of bytes of each read.
    """

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        piece = self._file.read(size)
        self._progress(len(piece))
        return piece


def _file(table: sa.Table, path: Path) -> DumpFile:
    with path.open("rb") as file:
        first = file.readline()
        file.seek(-min(1, len(first)), os.SEEK_END)
        last = file.read(1)
    if not first and table.name not in OPTIONAL:
        raise DumpError(f"{path} is empty: {_UNPACK}")
    if last not in {b"", b"\n"}:
        raise DumpError(f"{path} is cut, its last line has no end: {_UNPACK}")
    found = first.rstrip(b"\r\n").count(b"\t") + 1  # a tab within a value is written \t
    wanted = len(table.columns)
    if first and found != wanted:
        raise DumpError(
            f"{path} has {found} columns and the table {wanted} "
            f"({', '.join(table.columns.keys())}): the dump has another version of the schema"
        )
    return DumpFile(table, path, path.stat().st_size)


class _Key(NamedTuple):
    """The statements that drop and create an index."""

    drop: str
    create: str


def load_dump(engine: sa.Engine, dump: Dump, progress: Progress) -> dict[str, int]:
    """Replace the content of all tables in one transaction, and return the row counts by table.

    Indexes are created after the rows are loaded, which is faster. The tables are locked until the
    commit; until then, the answers to lookups have no metadata.

    Args:
        engine: the engine of the ``musicbrainz`` database, whose tables must exist.
        dump: the files; a table without a file is left empty.
        progress: is called with the name of a table and the number of bytes sent since the last
            call, and with 0 when the indexes of the table are created.

    Raises:
        DumpError: the database refuses a file, or an empty file would replace rows; nothing was
            changed.
        sqlalchemy.exc.DBAPIError: the database is unreachable, or the user may not change the
            tables.
    """
    with engine.begin() as connection:
        for file in dump.files:
            _check_emptiness(connection, file)
        connection.execute(sa.text(f"TRUNCATE {', '.join(METADATA.tables)}"))
        counts = {file.table.name: _load_table(connection, file, progress) for file in dump.files}
        connection.execute(sa.text(f"ANALYZE {', '.join(METADATA.tables)}"))
    return counts


def _check_emptiness(connection: sa.Connection, file: DumpFile) -> None:
    """Refuse an empty file if its table has rows. Some tables of a small dump have none."""
    rows = sa.select(sa.literal(1)).select_from(file.table).limit(1)
    if file.size == 0 and connection.execute(rows).first() is not None:
        raise DumpError(
            f"{file.path} is empty, but its table has rows: {_UNPACK}; delete the file to empty "
            f"the table ({OPTIONAL[file.table.name]})"
        )


def _load_table(connection: sa.Connection, file: DumpFile, progress: Progress) -> int:
    name = file.table.name
    keys = [_Key(*row) for row in connection.execute(_KEYS, {"name": file.table.fullname})]
    for key in keys:
        connection.exec_driver_sql(key.drop)
    try:
        count = _copy(connection, file, lambda size: progress(name, size))
        progress(name, 0)
        for key in keys:
            connection.exec_driver_sql(key.create)
    except psycopg2.Error as error:
        raise _refusal(file, error) from error
    except sa.exc.IntegrityError as error:
        if not isinstance(error.orig, psycopg2.Error):
            raise
        raise _refusal(file, error.orig) from error
    return count


def _copy(connection: sa.Connection, file: DumpFile, progress: Callable[[int], None]) -> int:
    """Send a file. FREEZE makes a VACUUM unnecessary; it needs the TRUNCATE of this transaction."""
    columns = ", ".join(file.table.columns.keys())
    statement = f"COPY {file.table.fullname} ({columns}) FROM STDIN WITH (FREEZE)"
    with file.path.open("rb") as opened, closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(statement, CountedFile(opened, progress), _PIECE)
        return int(cursor.rowcount)


def _refusal(file: DumpFile, error: psycopg2.Error) -> DumpError:
    """Return an error with the file, and the line or the duplicate key."""
    where = error.diag.context or error.diag.message_detail
    reason = error.diag.message_primary or str(error)
    return DumpError(f"{file.path} can't be loaded: {reason}{f' ({where})' if where else ''}")
