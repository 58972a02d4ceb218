"""Databases and an index for one test: real, empty, of the session's servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.migrate import METADATA
from pipeline.runtime.databases import Databases
from pipeline.runtime.settings import Settings


@pytest.fixture
def databases(settings: Settings) -> Iterator[Databases]:
    """The four databases, emptied."""
    databases = Databases(settings, component="tests")
    for name, metadata in METADATA.items():
        with databases.engine(name).begin() as connection:  # type: ignore[arg-type]
            tables = ", ".join(table.fullname for table in metadata.sorted_tables)
            connection.execute(sa.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    yield databases
    databases.dispose()


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    """A place for an index that doesn't exist yet."""
    return tmp_path / "index"
