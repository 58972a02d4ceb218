"""Writes a data file to the database, batch by batch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.input_files import DataFile
from pipeline.bulk_import.files.loading import progress
from pipeline.bulk_import.files.loading.deletions import load_deletions
from pipeline.bulk_import.files.loading.fingerprints import (
    load_fingerprint_tracks,
    load_fingerprints,
)
from pipeline.bulk_import.files.loading.links import load_links
from pipeline.bulk_import.files.loading.references import COLUMNS, stage_references
from pipeline.bulk_import.files.loading.staging import (
    ConflictError,
    Found,
    begin_batch,
    create_staging,
    stage,
)
from pipeline.bulk_import.files.loading.tracks import load_metas, load_tracks
from pipeline.bulk_import.files.reading.read_ahead import ReadAhead, ReadBatch
from pipeline.bulk_import.files.reading.table_rows import rows_of
from pipeline.bulk_import.rejects import BadLine, Rejects
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.app.sources import format_ids
from pipeline.data_files import tables
from pipeline.runtime.databases import Databases

_WITHOUT_DAYS: Final = {tables.DELETION.name, tables.TRACK_FINGERPRINT.name}


@dataclass(frozen=True, slots=True)
class Loading:
    """What all files of an import have in common.

    Attributes:
        databases: the fingerprint database is written, and new formats to the app database.
        reader: parses lines.
        rejects: gets the lines that can't be imported.
    """

    databases: Databases
    reader: ReadAhead
    rejects: Rejects


def load_file(
    loading: Loading,
    file: DataFile,
    digest: bytes,
    after: int,
    advance: Callable[[int, int], object],
) -> int:
    """Write the lines of a file; return the number of changed rows.

    Each batch is one transaction, with the progress of the file. So after a kill the next run
    begins at the next batch.

    Args:
        loading: what all files have in common.
        file: the file.
        digest: its SHA-256.
        after: number of lines at the beginning that are done.
        advance: is called after each batch, with the numbers of lines and of bytes of the file that
            were done since the last call.

    Raises:
        BadLineError: a line can't be imported, and the run stops.
        DataImportError: a line disagrees with a row that is here, or the file is not as its
            manifest says.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
        OSError: the file can't be read.
    """
    changed, lines, offset = 0, after, 0
    rows = rows_of(file.name.table)
    with loading.databases.engine("fingerprint").connect() as connection:
        with connection.begin():
            create_staging(connection, rows)
        for read in loading.reader.batches(file.path, file.name.table.name, after):
            formats = _formats(loading.databases, read)
            refuse = _Refusing(loading.rejects, file, read)
            refuse.all(Found(*each) for each in read.batch.refused)
            with connection.begin():
                changed += _load_batch(connection, file, read, formats, refuse)
                progress.save_progress(connection, file.key, digest, read.batch.last)
            advance(read.batch.last - lines, read.offset - offset)
            lines, offset = read.batch.last, read.offset
        if file.rows is not None and file.rows != lines:
            raise DataImportError(
                f"{file.path} has {lines} lines, and {file.rows} in the manifest: "
                "write the export again"
            )
        with connection.begin():
            progress.save_progress(connection, file.key, digest, lines)
            progress.finish_file(connection, file.key)
    return changed


class _Refusing:
    """Names the lines of a batch that can't be imported."""

    def __init__(self, rejects: Rejects, file: DataFile, read: ReadBatch) -> None:
        self._rejects = rejects
        self._file = file
        self._read = read

    def all(self, found: Iterable[Found]) -> None:
        is_any = False
        for each in found:
            is_any = True
            content = self._read.content(each.line)
            self._rejects.add(BadLine(str(self._file.path), each.line, each.reason, content))
        if is_any:
            self._rejects.flush()


def _load_batch(
    connection: sa.Connection,
    file: DataFile,
    read: ReadBatch,
    formats: dict[str, int],
    refuse: _Refusing,
) -> int:
    table = file.name.table
    begin_batch(connection)
    # Also keeps live submissions from taking the ids of the batch.
    lock_catalogue(connection)
    stage(connection, rows_of(table), read.batch)
    try:
        changed, refused = _write(connection, file, formats, read.batch.contents)
    except ConflictError as error:
        raise DataImportError(
            f"{file.path}:{error.found.line}: {error.found.reason}: "
            "the file belongs to another catalogue, or the catalogue here to another one, such as "
            "the sample. Import it into a new service: `acoustid up --no-sample --data-dir NEW`"
        ) from error
    refuse.all(refused)
    progress.advance_ids(connection, _highest(connection, file, read))
    if changed and table.name not in _WITHOUT_DAYS:
        progress.add_days(connection, table.source, has_updates=table.has_updates)
    elif changed and table is tables.TRACK_FINGERPRINT:
        progress.add_days(connection, table.source, has_updates=True)
    return changed


def _write(
    connection: sa.Connection,
    file: DataFile,
    formats: Mapping[str, int],
    contents: Mapping[int, bytes],
) -> tuple[int, list[Found]]:
    table = file.name.table
    if table is tables.FINGERPRINT:
        return load_fingerprints(connection, formats, contents)
    if table is tables.TRACK_FINGERPRINT:
        return load_fingerprint_tracks(connection)
    if table is tables.DELETION:
        return load_deletions(connection)
    if table is tables.META:
        return load_metas(connection), []
    refused: list[Found] = []
    if table is tables.TRACK:
        changed = load_tracks(connection)
    else:
        changed, refused = load_links(connection, table.source)
    if table.source in COLUMNS:
        stage_references(connection, table.source, str(file.path))
    return changed, refused


def _highest(connection: sa.Connection, file: DataFile, read: ReadBatch) -> dict[str, int]:
    highest = {file.name.table.source: read.batch.highest_id}
    if file.name.table is tables.TRACK_FOREIGNID:
        foreign = "SELECT coalesce(max(foreignid_id), 0), coalesce(max(vendor_id), 0) FROM incoming"
        found = connection.execute(sa.text(foreign)).one()
        highest |= {"foreignid": found[0], "foreignid_vendor": found[1]}
    return highest


def _formats(databases: Databases, read: ReadBatch) -> dict[str, int]:
    if not read.batch.formats:
        return {}
    with databases.engine("app").begin() as connection:
        return format_ids(connection, read.batch.formats)
