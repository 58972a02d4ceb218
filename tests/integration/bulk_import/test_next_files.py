"""Exports of a service that goes on are imported one on top of the other."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from bench.bulk_import.table_digests import table_digests
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import Imported, import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.catalog import migrate
from pipeline.catalog.fingerprint.track_merge import merge_tracks
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tests.integration.bulk_import.test_round_trip import Silent
from tests.support.catalogue.exports import run_export
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy
from tests.support.processes.servers import Servers


@pytest.fixture
def elsewhere(servers: Servers) -> Iterator[tuple[Settings, Databases]]:
    settings = servers.settings("_next_files")
    migrate.create_missing(settings)
    migrate.upgrade_all(settings)
    databases = Databases(settings)
    yield settings, databases
    databases.dispose()


def load(settings: Settings, databases: Databases, folder: Path) -> Imported:
    with Rejects("stop", None, print) as rejects:
        return import_files(settings, databases, find_files(folder), rejects, Silent())


def test_each_next_export_makes_the_copy_equal(
    databases: Databases,
    index_path: Path,
    elsewhere: tuple[Settings, Databases],
    tmp_path: Path,
) -> None:
    """Counts, merges and new rows arrive, although the files have the names of earlier ones."""
    folder, copy = tmp_path / "export", elsewhere[1]
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(each), mbid=UUID(int=each)) for each in (1, 2)))
    importer.run(importer.receipt(fingerprint(3)))

    def step() -> Imported:
        run_export(databases, folder)
        done = load(*elsewhere, folder)
        assert table_digests(copy) == table_digests(databases)
        return done

    assert step().changed
    assert step().changed == 0
    # The file of today is written anew: a count has changed, and a fingerprint is new.
    importer.run(importer.receipt(near_copy(fingerprint(3), 3, 0.02)))
    assert step().changed
    # A count changes once more, and two tracks are merged.
    importer.run(importer.receipt(near_copy(fingerprint(3), 4, 0.02)))
    merge_tracks(databases, 1, [2])
    assert step().changed
    # The copy imports files in which a count is lower, and newer: as after an undo.
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.text("UPDATE track_mbid SET submission_count = 1"))
    assert step().changed == 1
