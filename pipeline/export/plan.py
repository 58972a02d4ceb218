"""Decides which files a run writes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa

from pipeline.data_files.file_names import DataFileName, parse_file_name
from pipeline.data_files.manifest import FileEntry, Manifest
from pipeline.data_files.tables import FINGERPRINT, TABLES, DataTable
from pipeline.export.selection import count_by_day

_GROUP_ROWS: Final = 200_000
"""Rows that one statement sorts, at least one day."""

_GROUP_FINGERPRINTS: Final = 20_000

ImportedDays = Mapping[tuple[str, date], datetime]
"""When rows were last added to a day that is over, by table and day."""


@dataclass(frozen=True, slots=True)
class PlannedFiles:
    """Files of one table whose rows one statement reads.

    Attributes:
        table: the table.
        rows: the number of rows by day, in the order of the days.
    """

    table: DataTable
    rows: Mapping[date, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does.

    Attributes:
        kept: the files that stay, by name.
        groups: the files that are written, in the order of `TABLES`.
        since: the first day that was read; None for all days.
    """

    kept: Mapping[str, FileEntry]
    groups: Sequence[PlannedFiles]
    since: date | None

    @property
    def rows(self) -> int:
        """The number of rows that are written."""
        return sum(sum(group.rows.values()) for group in self.groups)

    @property
    def files(self) -> int:
        """The number of files that are written."""
        return sum(len(group.rows) for group in self.groups)


def final_files(
    manifest: Manifest | None, imported: ImportedDays, present: Collection[str]
) -> dict[str, FileEntry]:
    """Return the files of earlier runs whose rows are still all rows of their days.

    Args:
        manifest: the manifest of the last run.
        imported: as the snapshot has it.
        present: the names of the files that are there.
    """
    kept = {}
    for name, entry in ({} if manifest is None else manifest.files).items():
        parsed = parse_file_name(name)
        if parsed is None or not entry.is_final or name not in present:
            continue
        if entry.imported == imported.get((parsed.table.source, parsed.day)):
            kept[name] = entry
    return kept


def make_plan(
    snapshot: sa.Connection,
    manifest: Manifest | None,
    imported: ImportedDays,
    kept: Mapping[str, FileEntry],
) -> Plan:
    """Count the rows of the days whose files are missing or not final.

    Args:
        snapshot: a snapshot of the fingerprint database.
        manifest: the manifest of the last run; None to write all days.
        imported: as the snapshot has it.
        kept: the files that stay.
    """
    groups: list[PlannedFiles] = []
    first_days = {table: _first_day(table, manifest, imported, kept) for table in TABLES}
    for table, since in first_days.items():
        counts = count_by_day(snapshot, table, since)
        wanted = {
            day: counts[day] for day in sorted(counts) if str(DataFileName(day, table)) not in kept
        }
        groups += _groups(table, wanted)
    known = [day for day in first_days.values() if day is not None]
    return Plan(kept, groups, min(known) if len(known) == len(TABLES) else None)


def _first_day(
    table: DataTable,
    manifest: Manifest | None,
    imported: ImportedDays,
    kept: Mapping[str, FileEntry],
) -> date | None:
    """Return the first day that may have rows without a final file; None for all days.

    Days before `Manifest.final_before` that have no file had no rows. An import may have added
    some, or a file was lost.
    """
    if manifest is None or manifest.final_before is None:
        return None
    lost = {
        parsed.day
        for name in manifest.files.keys() - kept.keys()
        if (parsed := parse_file_name(name)) and parsed.table is table
    }
    added = {
        day
        for source, day in imported
        if source == table.source and str(DataFileName(day, table)) not in kept
    }
    return min({manifest.final_before, *lost, *added})


def _groups(table: DataTable, rows: Mapping[date, int]) -> Iterator[PlannedFiles]:
    """Divide days into groups of a limited number of rows."""
    limit = _GROUP_FINGERPRINTS if table is FINGERPRINT else _GROUP_ROWS
    group: dict[date, int] = {}
    size = 0
    for day, count in rows.items():
        if group and size + count > limit:
            yield PlannedFiles(table, group)
            group, size = {}, 0
        group[day] = count
        size += count
    if group:
        yield PlannedFiles(table, group)
