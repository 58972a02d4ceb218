"""The task that updates index and store: it repairs both, and reports why it cannot write them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pipeline.fingerprint_store import open_store, open_store_writer, verify_store
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.index import Insert, changelog_metadata, open_reader, open_writer, verify
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.settings.sections import Settings
from pipeline.storage.damaged_folders import damaged_folders
from pipeline.storage.manifest import read_manifest
from tasks.index import run
from tasks.redis_state import write_problems
from tasks.worker_resources import WorkerResources
from tests.faults.storage.failing_files import dead_disk_from, disk_full_from, failing
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint

NODE = "index@here"
COUNT = 5


@contextmanager
def index_worker(databases: Databases, settings: Settings, path: Path) -> Iterator[WorkerResources]:
    """The resources of an index worker, with an index and a store of five fingerprints."""
    index = settings.fingerprint_index.model_copy(update={"path": path / "index"})
    store = settings.fingerprint_store.model_copy(update={"path": path / "store", "enabled": True})
    here = settings.model_copy(update={"fingerprint_index": index, "fingerprint_store": store})
    with connect(here.redis) as redis:
        made = WorkerResources(here, databases, redis, connect_metrics(here.statsd))
        add(made, range(COUNT))
        assert run(made, NODE) == (COUNT, "")
        yield made
        made.index_lease.close()
        write_problems.store(redis, NODE, "")


@pytest.fixture
def resources(
    databases: Databases, settings: Settings, tmp_path: Path
) -> Iterator[WorkerResources]:
    """The resources of an index worker."""
    with index_worker(databases, settings, tmp_path) as made:
        yield made


def add(resources: WorkerResources, seeds: range) -> None:
    """Import fingerprints; the index is not updated."""
    importer = Importer(resources.databases, resources.settings.fingerprint_index.path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in seeds), index=False)


def index_of(resources: WorkerResources) -> Path:
    return resources.settings.fingerprint_index.path


def store_of(resources: WorkerResources) -> Path:
    return resources.settings.fingerprint_store.path


def flip(file: Path, place: int) -> None:
    """Flip a bit of a file."""
    data = bytearray(file.read_bytes())
    data[place] ^= 4
    file.write_bytes(data)


def scrub(resources: WorkerResources) -> None:
    """Read the index; a table that is damaged is found without it."""
    resources.scrubs["index"].step(1 << 20)


def store_position(resources: WorkerResources) -> int:
    manifest = read_manifest(STORE_FORMAT, store_of(resources))
    return manifest.position if manifest else 0


def assert_whole(resources: WorkerResources, count: int) -> None:
    """Index and store have all fingerprints and no damage."""
    assert verify(index_of(resources)) == []
    assert verify_store(store_of(resources)) == []
    with open_reader(index_of(resources)) as reader:
        assert reader.stats().documents == count
    store = open_store(store_of(resources))
    assert store.find(range(1, count + 1)).missing == []
    store.close()


@pytest.mark.parametrize("place", [70, -60])
def test_a_damaged_index_is_moved_aside_and_filled(resources: WorkerResources, place: int) -> None:
    """The places are in a table and in the postings."""
    resources.index_lease.close()
    [segment] = index_of(resources).glob("*.segment")
    flip(segment, place)
    scrub(resources)
    assert run(resources, NODE) == (COUNT, "")
    assert_whole(resources, COUNT)
    [folder] = damaged_folders(index_of(resources))
    assert [each.name for each in folder.iterdir()] == [segment.name]


def test_damage_of_an_open_index_is_found_by_the_scrub(resources: WorkerResources) -> None:
    """The writer has checked the file before, and the file's times may not show the change."""
    [segment] = index_of(resources).glob("*.segment")
    flip(segment, -60)
    scrub(resources)
    resources.index_lease.close()
    assert run(resources, NODE) == (COUNT, "")
    assert damaged_folders(index_of(resources))
    assert_whole(resources, COUNT)


def test_damaged_words_of_the_store_are_found_by_the_scrub(resources: WorkerResources) -> None:
    [segment] = store_of(resources).glob("*.fingerprints")
    flip(segment, -5)
    assert resources.scrubs["fingerprint store"].step(1 << 20) is not None
    assert run(resources, NODE) == (COUNT, "")
    assert len(damaged_folders(store_of(resources))) == 1
    assert_whole(resources, COUNT)


def test_a_damaged_manifest_of_the_store_keeps_all_files(resources: WorkerResources) -> None:
    """It does not show whose files these are."""
    flip(store_of(resources) / "manifest", 100)
    [segment] = store_of(resources).glob("*.fingerprints")
    assert run(resources, NODE) == (COUNT, "")
    [folder] = damaged_folders(store_of(resources))
    assert {each.name for each in folder.iterdir()} == {"manifest", segment.name}
    assert_whole(resources, COUNT)


def test_intact_files_of_another_database_are_not_deleted(resources: WorkerResources) -> None:
    """The settings may name the directory of another service."""
    resources.index_lease.close()
    path = index_of(resources)
    [own] = path.glob("*.segment")
    with open_writer(path, merge_in_background=False) as writer:
        foreign = fingerprint(99)[:20]
        writer.apply([Insert(99, foreign)], 50, metadata=changelog_metadata(50, 12345))
    flip(own, -60)
    scrub(resources)
    intact = {each.name for each in path.glob("*.segment")} - {own.name}
    assert intact
    run(resources, NODE)
    [folder] = damaged_folders(path)
    assert intact < {each.name for each in folder.iterdir()}


def test_after_repeated_damage_the_index_is_filled_after_a_pause(
    resources: WorkerResources,
) -> None:
    """A faulty disk would damage the index for ever; the worker says so."""
    for _ in range(4):
        resources.index_lease.close()
        flip(next(index_of(resources).glob("*.segment")), 70)
        reached, problem = run(resources, NODE)
    assert reached == 0
    assert "index: damaged 4 times, filled again in about 5 min; check the disk" in problem
    assert write_problems.read(resources.redis, NODE) == problem
    with open_reader(index_of(resources)) as reader:
        assert reader.position() == 0
    for folder in damaged_folders(index_of(resources)):
        for each in folder.iterdir():
            each.unlink()
        folder.rmdir()
    assert run(resources, NODE) == (COUNT, "")
    assert write_problems.read(resources.redis, NODE) == ""


def test_a_full_disk_is_reported_and_the_first_run_with_space_writes_all(
    resources: WorkerResources,
) -> None:
    add(resources, range(COUNT, COUNT + 2))
    both = "index: disk full; fingerprint store: disk full"
    with capture_logs() as logs:
        for _ in range(2):
            with failing(disk_full_from(0)):
                assert run(resources, NODE) == (COUNT, both)
            assert write_problems.read(resources.redis, NODE) == both
    assert [each.get("problem") for each in logs].count("disk full") == 2  # one for each folder
    assert run(resources, NODE) == (COUNT + 2, "")
    assert write_problems.read(resources.redis, NODE) == ""
    assert_whole(resources, COUNT + 2)


def test_a_full_disk_with_folders_of_damaged_files_names_them(resources: WorkerResources) -> None:
    """A damaged manifest keeps all files, so a full copy may fill the disk."""
    flip(index_of(resources) / "manifest", 100)
    assert run(resources, NODE) == (COUNT, "")
    add(resources, range(COUNT, COUNT + 2))
    with failing(disk_full_from(0)):
        problem = run(resources, NODE)[1]
    damaged = index_of(resources) / "damaged-*"
    assert f"index: disk full; the folders {damaged} may be deleted" in problem


def test_a_failing_disk_ends_no_worker(resources: WorkerResources) -> None:
    add(resources, range(COUNT, COUNT + 2))
    number = 0
    while True:
        with failing(dead_disk_from(number)) as calls:
            reached, problem = run(resources, NODE)
        if calls.count <= number:
            break
        assert "input/output error" in problem or reached == COUNT + 2
        number += 1
    assert number > 5
    assert run(resources, NODE) == (COUNT + 2, "")
    assert_whole(resources, COUNT + 2)


def test_a_store_that_cannot_be_written_does_not_stop_the_index(
    resources: WorkerResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object, **_given: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    add(resources, range(COUNT, COUNT + 2))
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.following.repair.open_store_writer", fails)
        reached, problem = run(resources, NODE)
    assert (reached, problem) == (COUNT + 2, "fingerprint store: read-only file system")
    assert run(resources, NODE) == (COUNT + 2, "")
    assert_whole(resources, COUNT + 2)


def test_a_locked_store_is_no_problem(resources: WorkerResources) -> None:
    with open_store_writer(store_of(resources)):
        assert run(resources, NODE) == (COUNT, "")
    manifest = read_manifest(STORE_FORMAT, store_of(resources))
    assert manifest is not None


def test_an_index_that_cannot_be_read_does_not_stop_the_store(
    resources: WorkerResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader gets an error that is no damage; the worker says so and goes on."""
    path = index_of(resources)

    def refused(_reader: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path / "manifest"))

    add(resources, range(COUNT, COUNT + 2))
    resources.index_lease.close()
    with monkeypatch.context() as patch:
        patch.setattr(type(resources.index_reader), "position", refused)
        reached, problem = run(resources, NODE)
    assert (reached, problem) == (0, f"index: Permission denied ({path / 'manifest'})")
    assert write_problems.read(resources.redis, NODE) == problem
    assert store_position(resources) == COUNT + 2
    assert run(resources, NODE) == (COUNT + 2, "")
    assert_whole(resources, COUNT + 2)


def test_the_pause_of_the_index_does_not_stop_the_store(resources: WorkerResources) -> None:
    for _ in range(3):
        resources.index_lease.close()
        flip(next(index_of(resources).glob("*.segment")), 70)
        assert run(resources, NODE) == (COUNT, "")
    add(resources, range(COUNT, COUNT + 2))
    resources.index_lease.close()
    flip(next(index_of(resources).glob("*.segment")), 70)
    assert run(resources, NODE)[0] == 0
    assert store_position(resources) == COUNT + 2


def test_a_run_ends_after_its_time_and_the_next_ones_apply_the_rest(
    resources: WorkerResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.index.RUN_TIME", 0.0)
    monkeypatch.setattr("pipeline.following.copies.BATCH", 1)
    add(resources, range(COUNT, COUNT + 3))
    assert [run(resources, NODE)[0] for _ in range(4)] == [COUNT + 1, COUNT + 2, *[COUNT + 3] * 2]
    assert_whole(resources, COUNT + 3)
