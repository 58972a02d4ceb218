"""Replaces the copy of MusicBrainz by the content of a dump."""

from collections.abc import Callable
from contextlib import closing
from typing import Final, NamedTuple

import psycopg2
import sqlalchemy as sa

from pipeline.catalog.musicbrainz_dump import CountedFile, Dump, DumpError, DumpFile
from pipeline.catalog.musicbrainz_tables import METADATA

Progress = Callable[[str, int], None]

_PIECE: Final = 1 << 20  # bytes of a file that are sent at once

# Keys and the other indexes, with what drops each and what makes it again.
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
    """An index: what drops it and what makes it again."""

    drop: str
    create: str


def load_dump(engine: sa.Engine, dump: Dump, progress: Progress) -> dict[str, int]:
    """Replace the content of all tables in one transaction, and return the rows of each.

    Indexes are made after the rows, all at once, instead of row by row. Until the commit the
    tables are locked; lookups meanwhile answer without metadata.

    Args:
        engine: of the ``musicbrainz`` database, whose tables exist.
        dump: the files; a table without one is left empty.
        progress: called with the name of a table and the number of its bytes sent since the last
            call; with 0 when its indexes are being made.

    Raises:
        DumpError: the database refuses a file; nothing has changed then.
        sqlalchemy.exc.DBAPIError: the database is away, or its tables are not ours to change.
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
    """Send a file; its rows need no later VACUUM, as the table was emptied in this transaction."""
    columns = ", ".join(file.table.columns.keys())
    statement = f"COPY {file.table.fullname} ({columns}) FROM STDIN WITH (FREEZE)"
    with file.path.open("rb") as opened, closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(statement, CountedFile(opened, progress), _PIECE)
        return int(cursor.rowcount)


def _refusal(file: DumpFile, error: psycopg2.Error) -> DumpError:
    """Return an error that names the file, and the line or the row that occurs twice."""
    where = error.diag.context or error.diag.message_detail
    reason = error.diag.message_primary or str(error)
    return DumpError(f"{file.path} can't be loaded: {reason}{f' ({where})' if where else ''}")
