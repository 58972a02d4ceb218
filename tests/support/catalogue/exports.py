"""Writes and reads exports in tests."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.data_files.manifest import Manifest, read_manifest
from pipeline.export.run import ExportReport, export
from pipeline.runtime.databases import Databases

Line = dict[str, Any]


class Silent:
    """Counts the rows of a run, and shows nothing.

    Attributes:
        expected: the number of rows that the run announced.
        written: the number of rows that it has written.
    """

    def __init__(self) -> None:
        self.expected = 0
        self.written = 0

    def begin(self, rows: int) -> None:
        """Set the number of rows."""
        self.expected = rows

    def advance(self, name: str, rows: int) -> None:
        """Add written rows."""
        assert name
        self.written += rows


def run_export(databases: Databases, path: Path, **options: bool) -> ExportReport:
    """Write an export; check that it writes as many rows as it announces."""
    progress = Silent()
    report = export(databases, path, progress, **options)
    assert progress.written == progress.expected == report.rows
    return report


def read_lines(path: Path) -> list[Line]:
    """Return the objects of a data file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def names(folder: Path) -> list[str]:
    """Return the names of the data files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jsonl.gz"))


def rows_of(folder: Path, table: str) -> list[Line]:
    """Return the rows of all files of a table, by file: ``track`` for ``track-update``."""
    return [
        line
        for name in names(folder)
        if name.endswith(f"-{table}-update.jsonl.gz")
        for line in read_lines(folder / name)
    ]


def newest(rows: Sequence[Line]) -> dict[int, Line]:
    """Return the last line of each id, as an import of all files in order leaves it."""
    return {row["id"]: row for row in rows}


def manifest_of(folder: Path) -> Manifest:
    """Return the manifest of an export, which must be there."""
    found = read_manifest(folder)
    assert found
    return found


def contents(folder: Path) -> dict[str, list[Line]]:
    """Return the lines of all data files by name."""
    return {name: read_lines(folder / name) for name in names(folder)}
