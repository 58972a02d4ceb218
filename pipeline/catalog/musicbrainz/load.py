"""Loads a MusicBrainz dump into the database (`acoustid musicbrainz load`)."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import psycopg2
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import METADATA

FOLDER: Final = "mbdump"
"""The directory in a dump's archive."""

OPTIONAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "area": "nothing that lookups show",
        "artist_credit": "nothing that lookups show",
        "iso_3166_1": "the countries of release events",
        "isrc": "ISRCs",
        "medium_format": "the formats of mediums",
        "recording_gid_redirect": "where merged recordings went",
        "release_country": "release events",
        "release_group_primary_type": "the types of release groups",
        "release_group_secondary_type": "the secondary types of release groups",
        "release_group_secondary_type_join": "the secondary types of release groups",
        "release_unknown_country": "release events of an unknown country",
        "replication_control": "the date of the dump",
    }
)
"""Optional tables, and the metadata that needs them."""


class DumpError(ValueError):
    """A dump can't be loaded; the text says what to change."""


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
        files: of the tables, in the order of their names.
        missing: optional tables without a file.
    """

    files: tuple[DumpFile, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def open_dump(directory: Path) -> Dump:
    """Return the files of an unpacked dump, after a check of the first line of each.

    Args:
        directory: of the unpacked archive, or its ``mbdump``.

    Raises:
        DumpError: a required file is missing, or a file has another number of columns.
    """
    folder = directory / FOLDER if (directory / FOLDER).is_dir() else directory
    tables = sorted(METADATA.tables.values(), key=lambda table: table.name)
    absent = [table.name for table in tables if not (folder / table.name).is_file()]
    needed = [name for name in absent if name not in OPTIONAL]
    if needed:
        raise DumpError(
            f"{folder} lacks {', '.join(needed)}: unpack mbdump.tar.bz2 of a MusicBrainz dump "
            "there, or name the directory where it is"
        )
    files = tuple(_file(table, folder / table.name) for table in tables if table.name not in absent)
    return Dump(files, tuple(absent))


class CountedFile:
    """A file for COPY that reports how much of it was read.

    Args:
        file: opened for reading.
        progress: called with the bytes of each piece.
    """

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        """Return the next piece."""
        piece = self._file.read(size)
        self._progress(len(piece))
        return piece


def _file(table: sa.Table, path: Path) -> DumpFile:
    with path.open("rb") as file:
        first = file.readline()
    found = first.rstrip(b"\r\n").count(b"\t") + 1  # a tab within a value is written \t
    wanted = len(table.columns)
    if first and found != wanted:
        raise DumpError(
            f"{path} has {found} columns where the table has {wanted} "
            f"({', '.join(table.columns.keys())}): the dump is of another version of the schema"
        )
    return DumpFile(table, path, path.stat().st_size)


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


class _Key(NamedTuple):
    """The statements that drop and create an index."""

    drop: str
    create: str


def load_dump(engine: sa.Engine, dump: Dump, progress: Progress) -> dict[str, int]:
    """Replace the content of all tables in one transaction, and return the row counts by table.

    Indexes are created after the rows are loaded, which is faster. The tables are locked until the
    commit; lookups are answered without metadata meanwhile.

    Args:
        engine: of the ``musicbrainz`` database, whose tables exist.
        dump: the files; a table without a file is left empty.
        progress: called with the name of a table and the number of bytes sent since the last call;
            with 0 when its indexes are created.

    Raises:
        DumpError: the database refuses a file; nothing was changed.
        sqlalchemy.exc.DBAPIError: the database is away, or the user may not change the tables.
    """
    with engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(METADATA.tables)}"))
        counts = {file.table.name: _load_table(connection, file, progress) for file in dump.files}
        connection.execute(sa.text(f"ANALYZE {', '.join(METADATA.tables)}"))
    return counts


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
    """Send a file. FREEZE, which this transaction's TRUNCATE allows, makes a VACUUM unnecessary."""
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
