"""The sketch index follows the changelog beside the index, and may be replaced by another rate."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalog.fingerprint import tables
from pipeline.excerpts.sketch_folders import other_rates, sketch_folder
from pipeline.fingerprint.sketch import sketch_terms
from pipeline.following import copies
from pipeline.following.open_sketch import replaced_rates
from pipeline.following.repair import is_own_folder
from pipeline.index import open_reader, open_writer, verify
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.lookups.condition import Condition
from pipeline.lookups.trusted_sketch import SketchUnusable, TrustedSketch
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.settings.sections import Settings
from pipeline.storage.damaged_folders import damaged_folders
from tasks.index import run
from tasks.redis_state import write_problems
from tasks.worker_resources import WorkerResources
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time, restore_to
from tests.support.catalogue.synthetic import fingerprint

NODE = "index@here"
COUNT = 5
RATE = 4


class Stack:
    """The settings and databases of one service, with a sketch index in its own directory."""

    def __init__(self, settings: Settings, databases: Databases, folder: Path) -> None:
        self.databases = databases
        self.folder = folder
        self.settings = settings
        self.importer = Importer(databases, folder / "index")
        self.add(range(COUNT))
        move_in_time(databases, "-1 hour")

    def add(self, seeds: range) -> None:
        """Import fingerprints; the index is not updated."""
        receipts = (self.importer.receipt(fingerprint(seed)) for seed in seeds)
        self.importer.run(*receipts, index=False)

    def run(self, rate: int = RATE) -> tuple[int, str]:
        """Run the task of an index worker once, in a new process's state."""
        with connect(self.settings.redis) as redis:
            index = self.settings.fingerprint_index.model_copy(
                update={
                    "path": self.folder / "index",
                    "sketch_path": self.folder / "sketch",
                    "sketch_rate": rate,
                }
            )
            store = self.settings.fingerprint_store.model_copy(update={"enabled": False})
            update = {"fingerprint_index": index, "fingerprint_store": store}
            here = self.settings.model_copy(update=update)
            made = WorkerResources(here, self.databases, redis, connect_metrics(here.statsd))
            try:
                return run(made, NODE)
            finally:
                made.index_lease.close()
                if made.written_sketch:
                    made.written_sketch.close()
                write_problems.store(redis, NODE, "")

    def path(self, rate: int = RATE) -> Path:
        return sketch_folder(self.folder / "sketch", rate)

    def reader(self, rate: int = RATE) -> TrustedSketch:
        return TrustedSketch(self.folder / "sketch", rate, self.databases, max_lag=10.0)

    def found(self, rate: int = RATE, *, reader_rate: int | None = None) -> list[list[int]]:
        """Search the sketch terms of each fingerprint; check the rate of the index."""
        usable = self.reader(reader_rate or rate).current()
        assert usable.rate == rate
        hits = usable.index.search(
            [sketch_terms(fingerprint(seed), rate) for seed in range(usable.recordings())],
            score_pct=100,
        )
        return [each.ids.tolist() for each in hits]


@pytest.fixture
def stack(settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[Stack]:
    """A catalogue of five fingerprints, with an old changelog, without any index."""
    return Stack(settings, databases, tmp_path)


def whole(count: int = COUNT) -> list[list[int]]:
    return [[number] for number in range(1, count + 1)]


def test_an_existing_catalogue_fills_it_and_new_imports_join(stack: Stack) -> None:
    assert stack.run(rate=0) == (COUNT, "")
    assert stack.reader().condition() is Condition.MISSING
    assert stack.run() == (COUNT, "")
    assert stack.found() == whole()
    stack.add(range(COUNT, COUNT + 2))
    assert stack.run() == (COUNT + 2, "")
    assert stack.found() == whole(COUNT + 2)


def test_a_deleted_fingerprint_leaves_it(stack: Stack) -> None:
    stack.run()
    with stack.databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.delete(tables.fingerprint).where(tables.fingerprint.c.id == 3))
    stack.run()
    assert stack.reader().current().recordings() == COUNT - 1


def test_it_is_refused_while_it_is_filled_and_the_index_is_not_delayed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run ends after one batch of the index, and one of the sketch index."""
    stack.run(rate=0)
    monkeypatch.setattr("tasks.index.RUN_TIME", 0.0)
    monkeypatch.setattr(copies, "BATCH", 2)
    for reached in (2, 4):
        stack.add(range(COUNT + reached, COUNT + reached + 1))
        assert stack.run()[1] == ""
        with open_reader(stack.folder / "index") as index, open_reader(stack.path()) as sketch:
            assert index.stats().documents > COUNT
            assert sketch.position() == reached
        assert stack.reader().condition() is Condition.FILLING
    for _ in range(2):
        stack.run()
    assert stack.reader().condition() is Condition.OK


def test_a_new_rate_is_filled_beside_the_old_one_and_replaces_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.run()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.index.RUN_TIME", 0.0)
        patch.setattr(copies, "BATCH", 2)
        stack.run(rate=8)
        stack.add(range(COUNT, COUNT + 1))
        stack.run(rate=8)
        assert stack.found(RATE, reader_rate=8) == whole(COUNT + 1)
    assert stack.run(rate=8) == (COUNT + 1, "")
    assert stack.found(8) == whole(COUNT + 1)
    assert other_rates(stack.folder / "sketch", 8) == []
    assert stack.found(8, reader_rate=RATE) == whole(COUNT + 1)


def test_only_an_index_of_this_database_is_removed(stack: Stack) -> None:
    """The folder of another service, and files that are not ours, stay."""
    with open_writer(stack.path(2)) as writer:
        writer.apply([], 3, metadata={"changelog_stamp": "3:12345"})
    stack.run()
    (stack.path() / "notes").touch()
    stack.run(rate=8)
    assert other_rates(stack.folder / "sketch", 8) == [RATE, 2]
    assert [each.name for each in stack.path().iterdir()] == ["notes"]
    assert replaced_rates(stack.folder / "sketch", 8, stack.databases) == []
    with open_reader(stack.path(2)) as reader:
        assert reader.position() == 3


def test_a_link_to_the_index_of_the_set_rate_is_not_followed(stack: Stack) -> None:
    stack.run()
    stack.path(8).symlink_to(stack.path())
    assert replaced_rates(stack.folder / "sketch", RATE, stack.databases) == []
    assert stack.run() == (COUNT, "")
    assert stack.found() == whole()


def test_a_folder_that_cannot_be_read_is_not_own(stack: Stack) -> None:
    stack.path().parent.mkdir()
    stack.path().touch()
    assert not is_own_folder(INDEX_FORMAT, stack.path(), stack.databases)
    reached, problem = stack.run()
    assert reached == COUNT
    assert problem.startswith("sketch index: ")


def test_with_rate_0_the_files_stay_and_are_updated_when_it_is_set_again(stack: Stack) -> None:
    stack.run()
    stack.add(range(COUNT, COUNT + 1))
    before = sorted(stack.path().iterdir())
    stack.run(rate=0)
    assert sorted(stack.path().iterdir()) == before
    stack.run()
    assert stack.found() == whole(COUNT + 1)


def test_after_a_restore_of_the_database_it_is_refused(stack: Stack) -> None:
    stack.run()
    restore_to(stack.importer, 3)
    with pytest.raises(SketchUnusable, match=r"index rebuild --sketch"):
        stack.reader().current()


@pytest.mark.parametrize("place", [70, -60])
def test_damaged_files_are_moved_aside_and_filled_again(stack: Stack, place: int) -> None:
    """The places are in a table, which each run reads, and in the postings of a merge."""
    stack.run()
    [segment] = stack.path().glob("*.segment")
    data = bytearray(segment.read_bytes())
    data[place] ^= 4
    segment.write_bytes(data)
    reached, problem = stack.run()
    if place < 0:  # found by the first run's scrub
        assert problem.startswith("sketch index: ")
        reached, problem = stack.run()
    assert (reached, problem) == (COUNT, "")
    assert stack.found() == whole()
    assert verify(stack.path()) == []
    assert len(damaged_folders(stack.path())) == 1


def test_a_disk_that_is_full_for_it_does_not_stop_the_index(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.run()
    stack.add(range(COUNT, COUNT + 1))

    def fails(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("tasks.following.written_sketch.open_or_empty_folder", fails)
        assert stack.run() == (COUNT + 1, "sketch index: disk full")
    assert stack.run() == (COUNT + 1, "")
    assert stack.found() == whole(COUNT + 1)


def test_a_batch_of_long_fingerprints_is_smaller(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = fingerprint(0).nbytes
    monkeypatch.setattr(copies, "BATCH_BYTES", 2 * size)
    batch = copies.read_batch(stack.databases, 0)
    assert (len(batch.logged), batch.position, batch.target) == (2, 2, COUNT)
    monkeypatch.setattr(copies, "BATCH_BYTES", 1)
    assert len(copies.read_batch(stack.databases, 2).logged) == 1
    assert stack.run() == (COUNT, "")
    assert stack.found() == whole()


def test_the_filling_of_a_new_rate_does_not_hold_up_the_old_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old index is one change behind, as after a kill between two commits."""
    stack.run()
    stack.add(range(COUNT, COUNT + 1))
    stack.run(rate=0)
    monkeypatch.setattr("tasks.index.RUN_TIME", 0.0)
    monkeypatch.setattr(copies, "BATCH", 1)
    assert stack.run(rate=8) == (COUNT + 1, "")
    assert stack.reader(8).condition() is Condition.OK
    assert stack.found(RATE, reader_rate=8) == whole(COUNT + 1)
