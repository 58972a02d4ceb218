"""An import that is killed at any moment is completed by the next run."""

import random
from pathlib import Path

import sqlalchemy as sa

from pipeline.catalog.fingerprint.changelog import count_fingerprints
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.index import open_reader
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.support.data_files import write_catalogue
from tests.support.import_process import start_import

ROWS = 60
BATCH = 4
TABLES = ("track", "meta", "fingerprint", "track_mbid", "track_meta")


def content(databases: Databases) -> list[list[tuple[object, ...]]]:
    with databases.engine("fingerprint").connect() as connection:
        return [
            [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {each} ORDER BY id"))]  # noqa: S608
            for each in TABLES
        ]


def test_the_next_run_completes_a_killed_import(
    settings: Settings, databases: Databases, tmp_path: Path
) -> None:
    write_catalogue(tmp_path, ROWS, count=200)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for _ in range(3):
        process = start_import(settings, tmp_path, BATCH)
        process.join(chance.uniform(1.0, 2.5))
        process.kill()
        process.join()
    process = start_import(settings, tmp_path, BATCH)
    process.join(100)
    assert process.exitcode == 0, f"seed {seed}"
    after = content(databases)
    assert [len(rows) for rows in after] == [ROWS, ROWS // 3, ROWS, ROWS, ROWS // 3]
    with databases.engine("fingerprint").begin() as connection:
        assert count_fingerprints(connection) == ROWS
        assert connection.scalar(sa.select(sa.func.sum(track_mbid.c.submission_count))) == 3 * ROWS
        connection.execute(sa.text("DELETE FROM import_progress"))
    with open_reader(settings.fingerprint_index.path) as index:
        assert index.stats().documents == ROWS
    again = start_import(settings, tmp_path, BATCH)
    again.join(100)
    assert again.exitcode == 0
    assert content(databases) == after
