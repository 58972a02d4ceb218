"""Imports the private tables of a folder.

The tables of the app database come before the data files, because fingerprints refer to formats.
They are one transaction. The tables of the ingest database come last: when a worker sees a pending
submission, what it may have become is here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.private.load_table import advance_id, read_parts, write_lines
from pipeline.bulk_import.files.private.own_rows import delete_rows, replaceable_rows
from pipeline.bulk_import.files.reading.values import LineError
from pipeline.bulk_import.files.reading.words import parse_object
from pipeline.bulk_import.rejects import Rejects
from pipeline.catalog.app.tables import account
from pipeline.data_files.private_tables import PRIVATE_TABLES, PrivateTable
from pipeline.runtime.databases import Databases

_DEFERRED: Final = {("app", "account"): "application_id", ("fingerprint", "edit"): "undone_by"}
"""Columns that refer to later rows. They are written in a second reading of the file."""

Begin = Callable[[str, int, str], Callable[[int], object]]


def check_private(folder: Path) -> None:
    """Check that a folder has the private tables.

    Raises:
        DataImportError: a file is missing.
    """
    for table in PRIVATE_TABLES:
        if not (folder / table.path).is_file():
            raise DataImportError(
                f"{folder / table.path} is missing: run `acoustid export --private`, or import "
                "without --private"
            )


def import_accounts(databases: Databases, folder: Path, rejects: Rejects, begin: Begin) -> int:
    """Import the tables of the app database in one transaction; return the changed rows.

    The rows that the service made itself are replaced.
    """
    tables = [table for table in PRIVATE_TABLES if table.database == "app"]
    with databases.engine("app").begin() as connection:
        if _is_new(connection, folder):
            delete_rows(connection, *replaceable_rows(databases, connection))
        return sum(_load(connection, folder, table, rejects, begin, None) for table in tables) + (
            _load(connection, folder, tables[0], rejects, begin, None, whole=True)
        )


def _is_new(connection: sa.Connection, folder: Path) -> bool:
    """Return whether no account here is one of the folder: this is not a second import."""
    table = next(each for each in PRIVATE_TABLES if each.name == "account")
    here = set(connection.execute(sa.select(account.c.apikey)).scalars())
    for lines, _ in read_parts(folder / table.path):
        for line in lines:
            try:
                if line.problem is None and parse_object(line.content).get("apikey") in here:
                    return False
            except LineError:
                continue
    return True


def import_submissions(databases: Databases, folder: Path, rejects: Rejects, begin: Begin) -> int:
    """Import the private tables of the fingerprint and the ingest database; return changed rows.

    Each batch is one transaction. A second run changes nothing.
    """
    changed = 0
    for table in PRIVATE_TABLES:
        if table.database == "app":
            continue
        with databases.engine(table.database).connect() as connection:
            changed += _load(connection, folder, table, rejects, begin, connection.commit)
            if (table.database, table.name) in _DEFERRED:
                changed += _load(
                    connection, folder, table, rejects, begin, connection.commit, whole=True
                )
    return changed


def _load(
    connection: sa.Connection,
    folder: Path,
    table: PrivateTable,
    rejects: Rejects,
    begin: Begin,
    commit: Callable[[], None] | None,
    *,
    whole: bool = False,
) -> int:
    path = folder / table.path
    show = begin(table.name, path.stat().st_size, "B")
    deferred = None if whole else _DEFERRED.get((table.database, table.name))

    def without(row: dict[str, Any]) -> dict[str, Any]:
        return row if deferred is None else row | {deferred: None}

    changed, before = 0, 0
    for lines, offset in read_parts(path):
        changed += write_lines(connection, table, path, lines, rejects, without)
        advance_id(connection, table)
        if commit is not None:
            commit()
        show(offset - before)
        before = offset
    return changed
