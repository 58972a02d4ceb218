"""Imports the data files of a folder: files, merges, then index and store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.input_files import DataFile, DataFolder, digests
from pipeline.bulk_import.files.loading import progress
from pipeline.bulk_import.files.loading.load_file import Loading, load_file
from pipeline.bulk_import.files.loading.merged_tracks import follow_merges
from pipeline.bulk_import.files.loading.references import (
    COLUMNS,
    apply_references,
    wrong_references,
)
from pipeline.bulk_import.files.loading.staging import begin_batch
from pipeline.bulk_import.files.private.run import (
    advance_ids,
    find_private,
    import_accounts,
    import_submissions,
)
from pipeline.bulk_import.files.reading.read_ahead import ReadAhead
from pipeline.bulk_import.rejects import BadLine, Rejects
from pipeline.catalog.advisory_locks import (
    lock_catalogue,
    try_lock_data_files,
    unlock_data_files,
)
from pipeline.catalog.fingerprint.changelog import count_fingerprints
from pipeline.catalog.fingerprint.tables import fingerprint, staged_track_fingerprint
from pipeline.catalog.schema_version import schema_version
from pipeline.data_files import tables
from pipeline.data_files.tables import TABLES, DataTable
from pipeline.following import all_copies
from pipeline.runtime.databases import DatabaseName, Databases
from pipeline.settings.sections import Settings

_TYPICAL_SIZE: Final = 5_000
"""Compressed bytes of a line with a fingerprint."""


class ImportProgress(Protocol):
    """Shows what an import does."""

    def begin(self, noun: str, total: int, unit: str) -> Callable[[int], object]:
        """Begin a part of the work; return a function that is called with each bit of it.

        Args:
            noun: what is done.
            total: the amount of work.
            unit: ``B`` for bytes, or a noun in the plural.
        """
        ...


@dataclass(slots=True)
class Imported:
    """What an import did.

    Attributes:
        lines: the number of lines that were read.
        changed: the number of rows that were inserted, changed or deleted.
        files: the number of files that were read.
        known: the number of files that were imported before and are skipped.
        fingerprints: the number of lines of fingerprints.
        without_fingerprint: the number of rows of `track_fingerprint` whose fingerprint is not
            here. They wait for the files of another import.
    """

    lines: int = 0
    changed: int = 0
    files: int = 0
    known: int = 0
    fingerprints: int = 0
    without_fingerprint: int = 0


def import_files(
    settings: Settings,
    databases: Databases,
    folder: DataFolder,
    rejects: Rejects,
    shown: ImportProgress,
    *,
    is_private: bool = False,
    keys_changed: Callable[[], object] = bool,
) -> Imported:
    """Import the data files of a folder. A second run goes on where the first one was stopped.

    When it returns, index, store and sketch index have all fingerprints.

    Args:
        settings: the settings of the index and the store.
        databases: the fingerprint database is written, and new formats to the app database.
        folder: the files.
        rejects: gets the lines that can't be imported.
        shown: shows what is done.
        is_private: whether to import accounts, keys and submissions, too.
        keys_changed: is called after keys were imported, and at the end, to empty caches of them.

    Raises:
        DataImportError: a file disagrees with the manifest or with what is here, another import
            runs, or the database has another schema.
        BadLineError: a line can't be imported, and the run stops.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
        CopyLockedError: a worker keeps an index or the store locked.
        FingerprintIndexError, FingerprintStoreError, ForeignIndexError, OSError: index or store
            can't be written.
    """
    check_schemas(databases, "fingerprint", "app", "ingest")
    with only_import(databases):
        private = find_private(databases, folder) if is_private else None
        found = digests(
            folder, shown.begin("checksums", sum(each.size for each in folder.files), "B")
        )
        with databases.engine("fingerprint").begin() as connection:
            known = progress.read_progress(connection)
            progress.begin_run(connection)
            if folder.manifest:
                progress.advance_ids(connection, folder.manifest.highest_ids)
        if private and folder.manifest:
            advance_ids(databases, folder.manifest.highest_ids)
        remaining = [
            each for each in folder.files if known.get(each.key) != _done(known, each, found)
        ]
        done = Imported(files=len(remaining), known=len(folder.files) - len(remaining))
        with ExitStack() as stack:
            held = None
            if _is_seed(databases, remaining):
                held = stack.enter_context(all_copies.open_copies(settings, databases))
                all_copies.require_own(held, databases)
            if private:
                done.changed += import_accounts(databases, private, rejects, shown.begin)
                keys_changed()
            with ReadAhead() as reader:
                loading = Loading(databases, reader, rejects)
                _load_tables(loading, remaining, found, known, shown, done)
            done.changed += follow_merges(databases)
            if private:
                done.changed += import_submissions(databases, private, rejects, shown.begin)
                keys_changed()
            with databases.engine("fingerprint").begin() as connection:
                progress.finish_run(connection)
            done.without_fingerprint = _count_waiting(databases)
            _analyze(databases)
            if held is not None:
                _build(held, settings, databases, shown)
            else:
                with all_copies.open_copies(settings, databases) as opened:
                    all_copies.follow_changes(
                        opened,
                        databases,
                        lambda total: shown.begin("index and store", total, "changes"),
                    )
    return done


def _done(
    known: dict[str, tuple[bytes, int, bool]], file: DataFile, found: dict[str, bytes]
) -> tuple[bytes, int, bool]:
    """Return the progress of a file if it is finished with its present content."""
    lines = known[file.key][1] if file.key in known else 0
    return found[file.key], lines, True


def check_schemas(databases: Databases, *names: DatabaseName) -> None:
    """Check that databases have the schema of this version.

    Raises:
        DataImportError: one has another schema.
    """
    for name in names:
        with databases.engine(name).connect() as connection:
            problem = schema_version(connection, name).problem(name)
        if problem:
            raise DataImportError(problem)


@contextmanager
def only_import(databases: Databases) -> Iterator[None]:
    """Refuse other imports of data files meanwhile. The lock ends with the process.

    Raises:
        DataImportError: another import runs.
    """
    engine = databases.engine("fingerprint")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not try_lock_data_files(connection):
            raise DataImportError("another import runs: wait until it ends")
        connection.detach()
        try:
            yield
        finally:  # the server takes a moment to notice the end of a connection
            unlock_data_files(connection)


def _is_seed(databases: Databases, files: list[DataFile]) -> bool:
    """Return whether the files have more fingerprints than the catalogue, by their sizes."""
    size = sum(each.size for each in files if each.name.table is tables.FINGERPRINT)
    expected = size // _TYPICAL_SIZE
    some = sa.select(fingerprint.c.id).limit(expected + 1).subquery()
    with databases.engine("fingerprint").connect() as connection:
        here = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return here < expected


def _load_tables(
    loading: Loading,
    files: list[DataFile],
    found: dict[str, bytes],
    known: dict[str, tuple[bytes, int, bool]],
    shown: ImportProgress,
    done: Imported,
) -> None:
    for table in TABLES:
        of_table = [each for each in files if each.name.table is table]
        if of_table:
            show = shown.begin(table.source, sum(each.size for each in of_table), "B")
            for file in of_table:
                digest, lines, _ = known.get(file.key, (b"", 0, False))
                after = lines if digest == found[file.key] else 0
                _load_one(loading, file, found[file.key], after, show, done)
        if table.source in COLUMNS and table.source == table.name.removesuffix("-update"):
            done.changed += _apply_references(loading, table)


def _load_one(
    loading: Loading,
    file: DataFile,
    digest: bytes,
    after: int,
    show: Callable[[int], object],
    done: Imported,
) -> None:
    def advance(lines: int, size: int) -> None:
        done.lines += lines
        if file.name.table is tables.FINGERPRINT:
            done.fingerprints += lines
        show(size)

    done.changed += load_file(loading, file, digest, after, advance)


def _apply_references(loading: Loading, table: DataTable) -> int:
    """Write the merges of a table whose rows are all there; return the number of changed rows."""
    with loading.databases.engine("fingerprint").begin() as connection:
        begin_batch(connection)
        connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
        lock_catalogue(connection)
        for file, line, reason in wrong_references(connection, table.source):
            loading.rejects.add(BadLine(file, line, reason))
        loading.rejects.flush()
        return apply_references(connection, table.source)


def _count_waiting(databases: Databases) -> int:
    with databases.engine("fingerprint").connect() as connection:
        statement = sa.select(sa.func.count()).select_from(staged_track_fingerprint)
        return connection.scalar(statement) or 0


def _analyze(databases: Databases) -> None:
    """Update the statistics of the planner, which lookups and merges need at once."""
    engine = databases.engine("fingerprint")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        names = sorted({table.source for table in TABLES})
        connection.exec_driver_sql(f"ANALYZE {', '.join(names)}")


def _build(
    opened: all_copies.OpenCopies, settings: Settings, databases: Databases, shown: ImportProgress
) -> None:
    with databases.engine("fingerprint").connect() as connection:
        total = count_fingerprints(connection)
    all_copies.build_copies(
        opened,
        databases,
        lambda noun: shown.begin(noun, total, "fingerprints"),
        is_local=settings.fingerprint_index.protocol == "local",
    )
