"""A start empties a damaged fingerprint store, and the index worker fills it again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.preparation import prepare
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import update_index
from pipeline.index import open_writer
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import FingerprintStoreSettings, Settings
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time
from tests.support.catalogue.synthetic import fingerprint


@pytest.fixture
def importer(settings: Settings, databases: Databases) -> Importer:
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in (1, 2)), index=False)
    return importer


@pytest.fixture
def store(settings: Settings, importer: Importer) -> Path:
    """The store of the settings, with two fingerprints."""
    update(importer, settings.fingerprint_store.path)
    return settings.fingerprint_store.path


def update(importer: Importer, store: Path) -> None:
    with open_writer(importer.index_path) as index, open_store_writer(store) as writer:
        update_index(index, importer.databases, followers=[StoreCopy(writer)])


def lose_a_segment(store: Path, importer: Importer) -> None:
    del importer
    [segment] = store.glob("*.fingerprints")
    segment.unlink()


def damage_the_manifest(store: Path, importer: Importer) -> None:
    del importer
    (store / "manifest").write_bytes(b"damaged")


def lose_the_manifest(store: Path, importer: Importer) -> None:
    del importer
    (store / "manifest").unlink()


def restore_the_database(store: Path, importer: Importer) -> None:
    """Change the times of the changelog; delete the index, which has those times too."""
    del store
    shutil.rmtree(importer.index_path)
    move_in_time(importer.databases, "1 second")


def condition_of(store: Path, importer: Importer) -> Condition:
    """Return the condition that a worker reports."""
    trusted = TrustedStore(open_store(store), importer.databases)
    try:
        return trusted.condition()
    finally:
        trusted.close()


def test_an_intact_store_is_not_emptied(settings: Settings, store: Path) -> None:
    before = open_store(store).reached()
    said: list[str] = []
    prepare(settings, said.append)
    assert open_store(store).reached() == before
    assert not [line for line in said if "store" in line]


@pytest.mark.parametrize(
    ("harm", "reason", "condition"),
    [
        (lose_a_segment, "is missing", Condition.DAMAGED),
        (damage_the_manifest, "is damaged", Condition.DAMAGED),
        # Readers take it for an empty store, which is usable while the changelog is short.
        (lose_the_manifest, "is missing although segments exist", Condition.OK),
        (restore_the_database, "another database", Condition.FOREIGN),
    ],
)
def test_a_damaged_store_is_emptied_and_filled_again(
    settings: Settings,
    store: Path,
    importer: Importer,
    harm: Callable[[Path, Importer], None],
    reason: str,
    condition: Condition,
) -> None:
    assert condition_of(store, importer) is Condition.OK
    harm(store, importer)
    assert condition_of(store, importer) is condition
    said: list[str] = []
    prepare(settings, said.append)
    assert [line for line in said if "emptying the fingerprint store" in line and reason in line]
    assert open_store(store).reached() == (0, 0)
    update(importer, store)
    assert list(open_store(store).find([1, 2]).rows) == [1, 2]


def test_a_locked_store_is_not_emptied(settings: Settings, store: Path, importer: Importer) -> None:
    restore_the_database(store, importer)
    before = open_store(store).reached()
    with open_store_writer(store):
        prepare(settings, lambda _line: None)
    assert open_store(store).reached() == before


def test_a_disabled_store_is_not_changed(
    settings: Settings, store: Path, importer: Importer
) -> None:
    damage_the_manifest(store, importer)
    off = FingerprintStoreSettings(enabled=False, path=store)
    prepare(settings.model_copy(update={"fingerprint_store": off}), lambda _line: None)
    assert (store / "manifest").read_bytes() == b"damaged"
