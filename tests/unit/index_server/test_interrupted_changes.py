"""Creations, deletions and restores that fail or are killed leave nothing and lose nothing."""

import io
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from index_server.errors import IndexNotFoundError
from index_server.offline import restore, verify_below
from index_server.registry import CreateRequest
from index_server.snapshot_stream import SnapshotDamagedError
from index_server.state import State, read_state, write_state
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert, open_writer
from tests.faults.storage.failing_files import (
    Killed,
    disk_error_at,
    disk_full_from,
    failing,
    killed_at,
    never,
)
from tests.unit.index.model import terms
from tests.unit.index_server.server_folder import contents, opened


def recreate_empty(path: Path) -> None:
    """An earlier version was killed while it created an index again."""
    open_writer(path / "gone" / "v000004").close()


def create_empty(path: Path) -> None:
    """An earlier version was killed while it created an index."""
    open_writer(path / "new" / "v000001").close()


def keep_deleted(path: Path) -> None:
    """A deletion was killed before it removed the data."""
    write_state(path / "gone", State(3, deleted=True, removing=True))
    shutil.copytree(path / "a" / "v000003", path / "gone" / "v000003")


def keep_unfinished(path: Path) -> None:
    """A restore was killed."""
    (path / "new").mkdir()
    write_state(path / "new", State(3, deleted=True, unfinished=True))
    shutil.copytree(path / "a" / "v000003", path / "new" / "v000003.new")


def make_empty_folder(path: Path) -> None:
    """A creation was killed after its first step."""
    (path / "new").mkdir()


@pytest.mark.parametrize(
    ("leave", "name", "generation"),
    [
        (recreate_empty, "gone", 4),
        (create_empty, "new", 1),
        (keep_deleted, "gone", 4),
        (keep_unfinished, "new", 1),
        (make_empty_folder, "new", 1),
    ],
)
def test_what_a_crash_leaves_is_removed_and_does_not_block_the_name(
    folder: Path, leave: Callable[[Path], None], name: str, generation: int
) -> None:
    leave(folder)
    indexes = opened(folder)
    assert list(folder.glob(f"{name}/v*")) == []
    state = read_state(folder / name)
    assert state is None or not (state.removing or state.unfinished)
    index = indexes.create(name, CreateRequest())
    assert (index.generation, index.version()) == (generation, 0)
    indexes.close()


def test_each_removal_is_logged_by_path(folder: Path) -> None:
    keep_deleted(folder)
    keep_unfinished(folder)
    with capture_logs() as logs:
        opened(folder).close()
    removed = {log["path"] for log in logs if log["event"] == "folder of an index removed"}
    assert removed == {str(folder / "gone" / "v000003"), str(folder / "new" / "v000003.new")}


def test_a_backup_of_a_restore_in_progress_loses_no_data(folder: Path) -> None:
    """Its state file was copied before the restore was complete, and the data after it."""
    keep_unfinished(folder)
    (folder / "new" / "v000003.new").rename(folder / "new" / "v000003")
    assert (folder / "new", []) in list(verify_below(folder))
    indexes = opened(folder)
    assert indexes.get("new").version() == 1
    indexes.close()
    assert read_state(folder / "new") == State(3, deleted=False)


@pytest.mark.parametrize("name", ["new", "gone"])
def test_a_full_disk_leaves_nothing_of_a_restore(folder: Path, snapshot: bytes, name: str) -> None:
    """The clean-up needs no space. Only the record of an unfinished index may stay."""
    before = contents(folder)
    for first in itertools.count():
        try:
            with failing(disk_full_from(first)):
                restore(folder, name, io.BytesIO(snapshot))
        except OSError:
            assert {**contents(folder), "gone/state": before["gone/state"]} == before
            opened(folder).close()
            assert contents(folder) == before
        else:
            break
    assert first > 4


def test_a_full_disk_leaves_nothing_of_a_creation(folder: Path) -> None:
    before = contents(folder)
    indexes = opened(folder)
    for first in itertools.count():
        try:
            with failing(disk_full_from(first)):
                indexes.create("new", CreateRequest())
        except OSError:
            assert contents(folder) == before
        else:
            break
    indexes.close()
    assert first > 4


def cut_restores(folder: Path, name: str, snapshot: bytes) -> Iterator[Path]:
    """Yield copies of a folder after a restore that was killed, once for each call."""
    with failing(never) as calls:
        restore(shutil.copytree(folder, folder.parent / "whole"), name, io.BytesIO(snapshot))
    for number in range(calls.count):
        path = shutil.copytree(folder, folder.parent / str(number))
        with failing(killed_at(number)), pytest.raises(Killed):
            restore(path, name, io.BytesIO(snapshot))
        yield path


@pytest.mark.parametrize("name", ["new", "gone"])
def test_a_killed_restore_is_complete_or_removed(folder: Path, snapshot: bytes, name: str) -> None:
    before = contents(folder)
    outcomes = set()
    for path in cut_restores(folder, name, snapshot):
        again = shutil.copytree(path, path.with_name(f"{path.name}-again"))
        indexes = opened(path)
        try:
            assert indexes.get(name).version() == 1
        except IndexNotFoundError:
            outcomes.add("removed")
            assert contents(path) in (before, {**before, "new": None})
            restore(again, name, io.BytesIO(snapshot))
            assert [problems for _, problems in verify_below(again)] == [[], []]
        else:
            outcomes.add("complete")
        assert indexes.get("a").version() == 1
        indexes.close()
    assert outcomes == {"removed", "complete"}


@pytest.mark.parametrize("name", ["new", "gone"])
def test_a_failed_restore_changes_nothing(folder: Path, snapshot: bytes, name: str) -> None:
    """The snapshot ends early, or a write fails."""
    before = contents(folder)
    with failing(never) as calls:
        restore(shutil.copytree(folder, folder.parent / "whole"), name, io.BytesIO(snapshot))
    for number in range(0, calls.count - 2, 3):
        with failing(disk_error_at(number)), pytest.raises(OSError, match="failing disk"):
            restore(folder, name, io.BytesIO(snapshot))
        assert contents(folder) == before
    for size in (0, 50, len(snapshot) // 2, len(snapshot) - 1):
        with pytest.raises(SnapshotDamagedError):
            restore(folder, name, io.BytesIO(snapshot[:size]))
        assert contents(folder) == before


def test_a_failed_creation_may_be_repeated_with_its_generation(folder: Path) -> None:
    indexes = opened(folder)
    with failing(never) as calls:
        indexes.create("b", CreateRequest(generation=8))
    for number in range(calls.count):
        name = f"c{number}"
        with failing(disk_error_at(number)):
            try:
                indexes.create(name, CreateRequest(generation=8))
            except OSError:
                assert read_state(folder / name) is None
        assert indexes.create(name, CreateRequest(generation=8)).generation == 8
    indexes.close()


def test_a_failed_creation_leaves_other_files(folder: Path) -> None:
    engine = folder / "gone" / "v000004"
    engine.mkdir()
    (engine / "README").write_text("not ours")
    before = contents(folder)
    indexes = opened(folder)
    with failing(disk_error_at(6)), pytest.raises(OSError, match="failing disk"):
        indexes.create("gone", CreateRequest())
    indexes.close()
    assert contents(folder) == before
    opened(folder).close()
    assert contents(folder) == before


def test_a_failed_deletion_deletes_nothing(folder: Path) -> None:
    """An update after it is not lost."""
    indexes = opened(folder)
    with failing(disk_error_at(4)), pytest.raises(OSError, match="failing disk"):
        indexes.delete("a")
    assert indexes.get("a").update(UpdateRequest([Insert(2, terms(6))])) == 2
    indexes.close()
    indexes = opened(folder)
    assert indexes.get("a").version() == 2
    indexes.close()
