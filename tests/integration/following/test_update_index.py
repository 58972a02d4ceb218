"""The index follows the changelog, also after a loss or a restore of either."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint.query import extract_query
from pipeline.following import copies
from pipeline.following.update_index import rebuild_index, update_index
from pipeline.index import IndexCorrupt, open_reader, open_writer
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

SEEDS = range(1, 8)


@pytest.fixture
def importer(databases: Databases, index_path: Path) -> Importer:
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in SEEDS), index=False)
    return importer


def found(importer: Importer) -> list[list[int]]:
    with open_reader(importer.index_path) as index:
        return [
            hits.ids.tolist()
            for hits in index.search([extract_query(fingerprint(seed)) for seed in SEEDS])
        ]


def test_the_index_is_updated_in_batches_to_the_end_of_the_changelog(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "BATCH", 3)
    with open_writer(importer.index_path) as writer:
        assert update_index(writer, importer.databases, until=0.0) == 3
        assert update_index(writer, importer.databases) == 7
    assert found(importer) == [[number] for number in range(1, 8)]


def test_a_deleted_fingerprint_leaves_the_index(importer: Importer) -> None:
    importer.update_index()
    with importer.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id == 3))
    assert importer.update_index() == 8
    assert found(importer)[2] == []


def test_a_lost_index_is_rebuilt_from_the_changelog(importer: Importer) -> None:
    importer.update_index()
    before = found(importer)
    shutil.rmtree(importer.index_path)
    assert importer.update_index() == 7
    assert found(importer) == before


def test_a_rebuilt_index_gives_equal_answers_and_has_new_fingerprints(
    importer: Importer,
) -> None:
    importer.update_index()
    before = found(importer)
    read: list[int] = []

    def progress(count: int) -> None:
        read.append(count)
        if len(read) == 1:
            importer.run(importer.receipt(fingerprint(50)), index=False)

    with open_writer(importer.index_path) as writer:
        assert rebuild_index(writer, importer.databases, progress) == 8
    assert sum(read) >= 7
    assert found(importer) == before


def test_an_index_of_another_database_is_refused_until_it_is_rebuilt(importer: Importer) -> None:
    with open_writer(importer.index_path) as writer:
        writer.apply([], 1000)
        with pytest.raises(ForeignIndexError, match="index rebuild"):
            update_index(writer, importer.databases)
        with pytest.raises(ForeignIndexError, match="index rebuild"):
            importer.run(importer.receipt(fingerprint(1)), index=False)
        assert rebuild_index(writer, importer.databases, lambda _: None) == 7
        assert update_index(writer, importer.databases) == 7


@pytest.mark.parametrize("name", ["manifest", "*.segment"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_index_can_be_rebuilt(importer: Importer, name: str, damage: str) -> None:
    importer.update_index()
    before = found(importer)
    for file in importer.index_path.glob(name):
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(IndexCorrupt):
        open_writer(importer.index_path)
    with open_writer(importer.index_path, clear_damaged=True) as writer:
        assert rebuild_index(writer, importer.databases, lambda _: None) == 7
    assert found(importer) == before
