"""Writes an export: one file for each table and day, from one snapshot."""

import itertools
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from pipeline.data_files.file_names import DataFileName
from pipeline.data_files.manifest import FileEntry, Manifest
from pipeline.data_files.private_tables import PRIVATE_TABLES, PrivateTable
from pipeline.export.folder import ExportFolder, open_folder
from pipeline.export.lines import stream_lines
from pipeline.export.plan import Plan, final_files, make_plan
from pipeline.export.private import count_private_rows, stream_private_lines
from pipeline.export.snapshot import Snapshots, open_snapshots
from pipeline.runtime.databases import Databases

_STEP: Final = 500
"""Rows between two reports of the progress."""


class Progress(Protocol):
    """Shows how far a run is."""

    def begin(self, rows: int) -> None:
        """Set the number of rows that the run writes."""

    def advance(self, name: str, rows: int) -> None:
        """Add rows that were written to a file."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What a run wrote.

    Attributes:
        rows: the number of rows.
        files: the number of files.
        kept: the number of files of earlier runs that stayed.
    """

    rows: int
    files: int
    kept: int


def export(
    databases: Databases,
    path: Path,
    progress: Progress,
    *,
    is_private: bool = False,
    writes_all: bool = False,
) -> ExportReport:
    """Write the rows of all days up to now. Files of earlier runs that are final stay.

    A run that was interrupted leaves a manifest that says so. The next run keeps its final files.

    Args:
        databases: ``fingerprint`` and ``app`` are read, for a private export also ``ingest``.
        path: the folder. It is created.
        progress: is told how far the run is.
        is_private: also write accounts, keys, submissions and what refers to them.
        writes_all: write the files of all days again.

    Raises:
        ExportRefusedError: the folder or a database can't be used.
        ManifestError: the manifest of the last run is damaged.
        OSError: the disk is full or failing.
        sqlalchemy.exc.DBAPIError: a database is unreachable.
    """
    with (
        open_folder(path) as folder,
        open_snapshots(databases, is_private=is_private) as snapshots,
    ):
        folder.check(snapshots.database, is_private=is_private)
        last = None if writes_all else folder.manifest
        kept = final_files(last, snapshots.imported, folder.present())
        plan = make_plan(snapshots.fingerprint, last, snapshots.imported, kept)
        private = _count_private(snapshots) if is_private else []
        manifest = Manifest(
            snapshots.database,
            snapshots.time,
            is_complete=False,
            is_private=is_private,
            files=kept,
            highest_ids=snapshots.highest_ids(is_private=is_private),
            final_before=plan.since,
        )
        rows = plan.rows + sum(count for _, count in private)
        progress.begin(rows)
        folder.begin(manifest)
        _write_days(folder, snapshots, plan, progress)
        for table, _ in private:
            lines = stream_private_lines(snapshots.connections[table.database], table)
            _write(folder, table.path, lines, progress, FileEntry(0, 0, "", snapshots.time))
        folder.complete(replace(manifest, final_before=snapshots.final_before))
    return ExportReport(rows, plan.files + len(private), len(kept))


def _count_private(snapshots: Snapshots) -> Sequence[tuple[PrivateTable, int]]:
    return [
        (table, count_private_rows(snapshots.connections[table.database], table))
        for table in PRIVATE_TABLES
    ]


def _write_days(folder: ExportFolder, snapshots: Snapshots, plan: Plan, progress: Progress) -> None:
    formats = snapshots.formats()
    for group in plan.groups:
        lines = stream_lines(snapshots.fingerprint, group.table, group.rows.keys(), formats)
        for day, of_day in itertools.groupby(lines, key=operator.itemgetter(0)):
            name = DataFileName(day, group.table)
            _write(
                folder,
                str(name),
                (line for _, line in of_day),
                progress,
                _entry(snapshots, name),
            )


def _entry(snapshots: Snapshots, name: DataFileName) -> FileEntry:
    """Return the entry of a file of a day, without its rows."""
    return FileEntry(
        0,
        0,
        "",
        snapshots.time,
        is_final=name.day < snapshots.final_before,
        imported=snapshots.imported.get((name.table.source, name.day)),
    )


def _write(
    folder: ExportFolder, name: str, lines: Iterable[bytes], progress: Progress, entry: FileEntry
) -> None:
    """Write a file and add it to the manifest.

    Args:
        folder: the folder.
        name: the path of the file below it.
        lines: its lines.
        progress: is told the number of lines.
        entry: its entry, without what depends on the lines.
    """
    with folder.writing(name) as writer:
        for line in lines:
            writer.write(line)
            if writer.rows % _STEP == 0:
                progress.advance(name, _STEP)
    progress.advance(name, writer.rows % _STEP)
    folder.add(name, replace(entry, rows=writer.rows, size=writer.size, sha256=writer.sha256))
