"""A start rebuilds a damaged index or one of an earlier version."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.stack.preparation import prepare
from pipeline.fingerprint.query import extract_query
from pipeline.index import open_reader
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.storage import files
from pipeline.storage.manifest import read_manifest, write_manifest
from tests.support.catalogue.imports import Importer
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
