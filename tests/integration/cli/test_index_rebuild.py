"""A start rebuilds a damaged index or one of an earlier version."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.preparation import prepare
from cli.stack.stack_record import StackRecord
from pipeline.fingerprint.query import extract_query
from pipeline.index import open_reader
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.storage import files
from pipeline.storage.manifest import read_manifest, write_manifest
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import restore_to
from tests.support.catalogue.synthetic import fingerprint


@pytest.fixture
def index(settings: Settings, databases: Databases) -> Path:
    """The index of the settings, with two fingerprints."""
    path = settings.fingerprint_index.path
    importer = Importer(databases, path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2)))
    return path


def found(index: Path) -> list[list[int]]:
    with open_reader(index) as reader:
        return [
            hits.ids.tolist()
            for hits in reader.search([extract_query(fingerprint(seed)) for seed in (1, 2)])
        ]


def test_an_intact_index_is_not_rebuilt(settings: Settings, index: Path) -> None:
    before = read_manifest(INDEX_FORMAT, index)
    said: list[str] = []
    prepare(settings, said.append)
    assert read_manifest(INDEX_FORMAT, index) == before
    assert not [line for line in said if "index" in line]


def test_an_index_of_an_earlier_version_is_rebuilt(settings: Settings, index: Path) -> None:
    manifest = read_manifest(INDEX_FORMAT, index)
    assert manifest
    write_manifest(replace(INDEX_FORMAT, version=1), index, manifest)
    said: list[str] = []
    prepare(settings, said.append)
    assert found(index) == [[1], [2]]
    assert [line for line in said if "has manifest format 1, but this version reads 2" in line]


def test_an_index_without_its_segment_is_rebuilt(settings: Settings, index: Path) -> None:
    for segment in index.glob("*.segment"):
        files.remove(segment)
    prepare(settings, lambda _line: None)
    assert found(index) == [[1], [2]]


def test_an_index_with_an_older_manifest_is_rebuilt(
    settings: Settings, databases: Databases, index: Path
) -> None:
    """The worker would refuse to write it. A file with an unknown name is never deleted."""
    old = (index / "manifest").read_bytes()
    importer = Importer(databases, index)
    importer.run(importer.receipt(fingerprint(3)))
    (index / "manifest").write_bytes(old)
    (index / "x.segment").touch()
    with pytest.raises(StackError, match=r"x\.segment: .*; move it to another folder"):
        prepare(settings, lambda _line: None)
    (index / "x.segment").unlink()
    said: list[str] = []
    prepare(settings, said.append)
    assert [line for line in said if "rebuilding the index" in line and "is newer than" in line]
    with open_reader(index) as reader:
        assert reader.stats().documents == 3


@pytest.fixture
def stack_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with the index in the data directory of a stack that owns the databases."""
    data = DataDir.at(tmp_path)
    database = settings.database_fingerprint
    record = StackRecord(postgres_password=database.password.get_secret_value())
    record.with_ports(postgres=database.port, valkey=0).save(data)
    own = settings.fingerprint_index.model_copy(update={"path": data.index})
    return settings.model_copy(update={"fingerprint_index": own})


def restored(settings: Settings, databases: Databases) -> tuple[Importer, Path]:
    """Return a catalogue of one fingerprint with an index of two: the database is an older one."""
    path = settings.fingerprint_index.path
    importer = Importer(databases, path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2)))
    restore_to(importer, 1)
    return importer, path


def test_an_index_that_is_ahead_of_its_database_is_rebuilt(
    stack_settings: Settings, databases: Databases
) -> None:
    """A later state of the database was in the index. Imports go on after the start."""
    importer, path = restored(stack_settings, databases)
    said: list[str] = []
    prepare(stack_settings, said.append)
    assert [line for line in said if "rebuilding the index" in line and "later state" in line]
    assert found(path) == [[1], []]
    importer.run(importer.receipt(fingerprint(2)))
    assert found(path)[1]


def test_a_foreign_index_outside_of_a_stack_is_kept(
    settings: Settings, databases: Databases
) -> None:
    """The setting of the index or that of the database may be wrong."""
    _, path = restored(settings, databases)
    before = read_manifest(INDEX_FORMAT, path)
    prepare(settings, lambda _line: None)
    assert read_manifest(INDEX_FORMAT, path) == before
