"""Fixtures of the import of data files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import Imported, import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings


@dataclass
class Target:
    """A catalogue that files are imported into.

    Attributes:
        told: the lines that were refused, as they are shown.
        parts: the parts of the work that were shown.
    """

    settings: Settings
    databases: Databases
    told: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def load(self, folder: Path, on_error: Any = "stop", rejects: Path | None = None) -> Imported:
        """Import a folder."""
        with Rejects(on_error, rejects, self.told.append) as refused:
            return import_files(self.settings, self.databases, find_files(folder), refused, self)

    def begin(self, noun: str, total: int, unit: str) -> Callable[[int], object]:
        """Remember a part of the work."""
        self.parts.append(f"{noun}: {total} {unit}")
        return lambda _: None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query in the fingerprint database."""
        with self.databases.engine("fingerprint").connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    def execute(self, statement: str) -> None:
        """Change the fingerprint database."""
        with self.databases.engine("fingerprint").begin() as connection:
            connection.execute(sa.text(statement))

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows of the catalogue, by table."""
        names: tuple[str, ...] = (
            "track",
            "meta",
            "fingerprint",
            "track_mbid",
            "track_puid",
            "track_meta",
        )
        names += ("track_foreignid", "foreignid", "foreignid_vendor", "deleted_row")
        return {name: self.rows(f"SELECT * FROM {name} ORDER BY id") for name in names}  # noqa: S608


@pytest.fixture
def target(settings: Settings, databases: Databases) -> Target:
    return Target(settings, databases)
