"""The disk of the index and the store is full or read-only: a tmpfs of a few MB."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.index import run
from tasks.redis_state import write_problems
from tasks.worker_resources import WorkerResources
from tests.integration.tasks.test_index_update import (
    COUNT,
    NODE,
    add,
    assert_whole,
    index_of,
    index_worker,
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.fixture
def resources(databases: Databases, settings: Settings, disk: Path) -> Iterator[WorkerResources]:
    """The resources of an index worker whose files are on the disk."""
    with index_worker(databases, settings, disk) as made:
        yield made
        made.index_reader.close()
        if made.store:
            made.store.close()


def fill(disk: Path) -> Path:
    """Fill the disk with one file; return it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free:
            file.write(bytes(4096))
    return filler


def test_a_full_disk(resources: WorkerResources, disk: Path) -> None:
    """Nothing is half written, and the first run with space writes all."""
    add(resources, range(COUNT, COUNT + 2))
    filler = fill(disk)
    before = sorted(each.name for each in index_of(resources).iterdir())
    for _ in range(3):
        reached, problem = run(resources, NODE)
        assert reached == COUNT
        assert problem.startswith("index: disk full")
    assert sorted(each.name for each in index_of(resources).iterdir()) == before
    assert write_problems.read(resources.redis, NODE) == problem
    filler.unlink()
    assert run(resources, NODE) == (COUNT + 2, "")
    assert_whole(resources, COUNT + 2)


def test_a_disk_that_is_full_while_damage_is_repaired(
    resources: WorkerResources, disk: Path
) -> None:
    resources.index_lease.close()
    [segment] = index_of(resources).glob("*.segment")
    segment.write_bytes(segment.read_bytes()[:-60])
    filler = fill(disk)
    for _ in range(2):
        assert "disk full" in run(resources, NODE)[1]
    filler.unlink()
    assert run(resources, NODE) == (COUNT, "")
    assert_whole(resources, COUNT)


def test_a_read_only_file_system(resources: WorkerResources, disk: Path) -> None:
    add(resources, range(COUNT, COUNT + 2))
    resources.index_lease.close()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        reached, problem = run(resources, NODE)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert reached == COUNT
    assert problem.startswith("index: read-only file system")
    assert run(resources, NODE) == (COUNT + 2, "")
    assert_whole(resources, COUNT + 2)
