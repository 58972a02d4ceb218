"""Imports the private tables of a folder.

The tables of the app database come before the data files, because fingerprints refer to formats.
They are one transaction. The tables of the ingest database come last: when a worker sees a pending
submission, what it may have become is here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.input_files import DataFolder, file_digest
from pipeline.bulk_import.files.loading import progress
from pipeline.bulk_import.files.private.load_table import advance_id, read_parts, write_lines
from pipeline.bulk_import.files.private.own_rows import delete_rows, replaceable_rows
from pipeline.bulk_import.files.reading.values import LineError
from pipeline.bulk_import.files.reading.words import parse_object
from pipeline.bulk_import.rejects import Rejects
from pipeline.catalog.app.tables import account
from pipeline.data_files import manifest as manifests
from pipeline.data_files.private_tables import PRIVATE_TABLES, PrivateTable
from pipeline.runtime.databases import Databases

_DEFERRED: Final = {("app", "account"): "application_id", ("fingerprint", "edit"): "undone_by"}
"""Columns that refer to later rows. They are written in a second reading of the file."""

Begin = Callable[[str, int, str], Callable[[int], object]]


@dataclass(frozen=True, slots=True)
class PrivateFiles:
    """The private files of a folder.

    Attributes:
        folder: the folder of the export.
        digests: the SHA-256 of each file, by its table.
        known: the tables whose files were imported before. They are skipped: what the service has
            changed since, such as a key or a state, stays.
    """

    folder: Path
    digests: Mapping[PrivateTable, bytes]
    known: frozenset[PrivateTable]


def find_private(databases: Databases, folder: DataFolder) -> PrivateFiles:
    """Find the private files of a folder, and check them against its manifest.

    Raises:
        DataImportError: a file is missing, or the manifest does not agree.
        OSError: a file can't be read.
    """
    with databases.engine("fingerprint").begin() as connection:
        done = progress.read_progress(connection)
    digests = {}
    for table in PRIVATE_TABLES:
        path = folder.path / table.path
        if not path.is_file():
            raise DataImportError(
                f"{path} is missing: run `acoustid export --private`, or import without --private"
            )
        digests[table] = file_digest(path)
        if folder.manifest:
            entry = folder.manifest.files.get(table.path)
            if entry is None or entry.sha256 != digests[table].hex():
                raise DataImportError(
                    f"{path} has another SHA-256 in {manifests.NAME}: write the export again, or "
                    "copy it again"
                )
    known = {
        each
        for each, digest in digests.items()
        if each.path in done and done[each.path][::2] == (digest, True)
    }
    return PrivateFiles(folder.path, digests, frozenset(known))


def _finish(databases: Databases, files: PrivateFiles, table: PrivateTable) -> None:
    with databases.engine("fingerprint").begin() as connection:
        progress.save_progress(connection, table.path, files.digests[table], 0)
        progress.finish_file(connection, table.path)


def advance_ids(databases: Databases, highest: Mapping[str, int]) -> None:
    """Let the databases give out only ids above those of the private tables of the files.

    Rows of the service that arrive during the import then take no id of a line that comes later.

    Args:
        databases: the databases.
        highest: the highest id by table, as the manifest has it.
    """
    for table in PRIVATE_TABLES:
        with databases.engine(table.database).begin() as connection:
            advance_id(connection, table, highest.get(table.name, 0))


def import_accounts(
    databases: Databases, files: PrivateFiles, rejects: Rejects, begin: Begin
) -> int:
    """Import the tables of the app database in one transaction; return the changed rows.

    The rows that the service made itself are replaced.
    """
    tables = [table for table in PRIVATE_TABLES if table.database == "app"]
    if files.known.issuperset(tables):
        return 0
    folder = files.folder
    with databases.engine("app").begin() as connection:
        if _is_new(connection, folder):
            delete_rows(connection, *replaceable_rows(databases, connection))
        changed = sum(_load(connection, folder, table, rejects, begin, None) for table in tables)
        changed += _load(connection, folder, tables[0], rejects, begin, None, whole=True)
    for table in tables:
        _finish(databases, files, table)
    return changed


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


def import_submissions(
    databases: Databases, files: PrivateFiles, rejects: Rejects, begin: Begin
) -> int:
    """Import the private tables of the fingerprint and the ingest database; return changed rows.

    Each batch is one transaction. A second run changes nothing.
    """
    changed = 0
    for table in PRIVATE_TABLES:
        if table.database == "app" or table in files.known:
            continue
        folder = files.folder
        with databases.engine(table.database).connect() as connection:
            changed += _load(connection, folder, table, rejects, begin, connection.commit)
            if (table.database, table.name) in _DEFERRED:
                changed += _load(
                    connection, folder, table, rejects, begin, connection.commit, whole=True
                )
        _finish(databases, files, table)
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
        advance_id(connection, table, 0)
        if commit is not None:
            commit()
        show(offset - before)
        before = offset
    return changed
