"""A small catalogue that tests export."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables as t
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

PUID = UUID("5d1f0c5e-2222-4aaa-8aaa-000000000002")
OLD_DAY = "2024-02-28"


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    """A catalogue with one submission that has all kinds of links."""
    importer = Importer(databases, index_path)
    receipt = importer.receipt(
        fingerprint(1),
        bitrate=320,
        format="MP3",
        puid=PUID,
        foreignid="vendor:name:1",
        meta={"track": 'Vérmocsár "1"', "year": 1999},
    )
    importer.run(receipt)
    return importer


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder of an export, which does not exist yet."""
    return tmp_path / "export"


LINKS = (t.track_mbid, t.track_puid, t.track_meta, t.track_foreignid)


def execute(databases: Databases, *statements: sa.Executable | str) -> None:
    """Run statements in a transaction of the fingerprint database."""
    with databases.engine("fingerprint").begin() as connection:
        for each in statements:
            connection.execute(sa.text(each) if isinstance(each, str) else each)


def set_times(databases: Databases, table: sa.Table, **times: str | datetime | None) -> None:
    """Set the times of all rows of a table, as if they were of another day."""
    execute(databases, sa.update(table).values(**times))


def grow_old(databases: Databases) -> None:
    """Let all rows be of `OLD_DAY`, without a change since."""
    for table in (t.track, t.fingerprint, *LINKS):
        set_times(databases, table, created=f"{OLD_DAY} 12:00+00", updated=None)
    set_times(databases, t.meta, created=f"{OLD_DAY} 12:00+00")
