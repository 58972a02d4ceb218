"""Data that no completed, recorded deletion has left is never deleted or replaced."""

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from index_server.errors import IndexNotFoundError, UnknownFilesError
from index_server.name_folder import FolderDamagedError, examine
from index_server.offline import restore, verify_below
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry
from index_server.snapshot_stream import SnapshotDamagedError, write_snapshot
from index_server.state import State, read_state, write_state
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert
from tests.faults.storage.failing_files import Killed, disk_error_at, failing, killed_at, never
from tests.unit.index.model import terms


def opened(path: Path) -> IndexRegistry:
    """Open the indexes of a folder."""
    return IndexRegistry(path, IndexServerMetrics())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server with index `a` of generation 3 and a deleted index `gone`."""
    path = tmp_path_factory.mktemp("served")
    indexes = opened(path)
    for name in ("a", "gone"):
        index = indexes.create(name, CreateRequest(generation=3))
        index.update(UpdateRequest([Insert(1, terms(5))]))
    indexes.delete("gone")
    indexes.close()
    return path


@pytest.fixture(scope="module")
def snapshot(served: Path) -> bytes:
    """A snapshot of `a`."""
    indexes = opened(served)
    data = b"".join(write_snapshot(3, indexes.get("a").files()))
    indexes.close()
    return data


@pytest.fixture
def folder(served: Path, tmp_path: Path) -> Path:
    """A copy of the folder of the server."""
    return shutil.copytree(served, tmp_path / "copy")


def contents(path: Path) -> dict[str, bytes | None]:
    """Return the content of each file by its path, None for folders; without locks."""
    return {
        each.relative_to(path).as_posix(): None if each.is_dir() else each.read_bytes()
        for each in path.rglob("*")
        if not each.name.endswith("lock")
    }


def lose_state(path: Path) -> None:
    """Lose the state of `a`."""
    (path / "a" / "state").unlink()


def lose_state_and_manifest(path: Path) -> None:
    """Lose the state of `a`, and the manifest."""
    lose_state(path)
    (path / "a" / "v000003" / "manifest").unlink()


def lose_state_and_segments(path: Path) -> None:
    """Lose all files of `a` but the manifest."""
    lose_state(path)
    for file in (path / "a" / "v000003").glob("*.segment"):
        file.unlink()


def lose_state_while_it_is_written(path: Path) -> None:
    """Lose the state of `a`, with a partial new one."""
    (path / "a" / "state").rename(path / "a" / "state.new")


def use_state_of_later_generation(path: Path) -> None:
    """Restore the state file alone."""
    write_state(path / "a", State(4, deleted=False))


def use_state_of_deleted_generation(path: Path) -> None:
    """Restore a state file of an earlier generation alone."""
    write_state(path / "a", State(2, deleted=True))


def use_state_of_unfinished_generation(path: Path) -> None:
    """Restore the state file of a restore that had begun."""
    write_state(path / "a", State(2, deleted=True, unfinished=True))


def add_older_generation(path: Path) -> None:
    """Restore an earlier generation beside the live one."""
    shutil.copytree(path / "a" / "v000003", path / "a" / "v000002")


def restore_deleted_data(path: Path) -> None:
    """Restore an earlier generation of a deleted index."""
    shutil.copytree(path / "a" / "v000003", path / "gone" / "v000002")


def lose_engine(path: Path) -> None:
    """Lose the data of `a`."""
    shutil.rmtree(path / "a" / "v000003")


def empty_engine(path: Path) -> None:
    """Lose all files of `a` but the state."""
    lose_engine(path)
    (path / "a" / "v000003").mkdir()


def lose_manifest(path: Path) -> None:
    """Lose the manifest of `a`."""
    (path / "a" / "v000003" / "manifest").unlink()


def put_file_in_place_of_engine(path: Path) -> None:
    """Lose the data of `a`; a file has the name of its folder."""
    lose_engine(path)
    (path / "a" / "v000003").write_text("not a folder")


def put_folder_in_place_of_state(path: Path) -> None:
    """A folder has the name of the state file."""
    lose_state(path)
    (path / "a" / "state").mkdir()


DAMAGES = [
    (lose_state, "a", r"a/state is missing, but .*/a/v000003 has data of an index"),
    (lose_state_and_manifest, "a", "a/state is missing, but .*/a/v000003 has data"),
    (lose_state_and_segments, "a", "a/state is missing, but .*/a/v000003 has data"),
    (lose_state_while_it_is_written, "a", "a/state is missing, but .*/a/v000003 has data"),
    (use_state_of_later_generation, "a", "a/v000004 is missing"),
    (use_state_of_deleted_generation, "a", "a/v000003 is not of generation 2"),
    (use_state_of_unfinished_generation, "a", "a/v000003 is not of generation 2"),
    (add_older_generation, "a", "a/v000002 is not of generation 3"),
    (restore_deleted_data, "gone", "gone/v000002 is not of generation 3"),
    (lose_engine, "a", "a/v000003 is missing"),
    (empty_engine, "a", "a/v000003/manifest is missing"),
    (lose_manifest, "a", "a/v000003/manifest is missing"),
    (put_file_in_place_of_engine, "a", "a/v000003 is not a folder"),
    (put_folder_in_place_of_state, "a", "a/state is damaged"),
]


@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES)
def test_data_that_is_not_understood_is_refused_by_name_and_left_alone(
    folder: Path, snapshot: bytes, damage: Callable[[Path], None], name: str, message: str
) -> None:
    """By the start, by a restore and by the check of all files."""
    damage(folder)
    before = contents(folder)
    with pytest.raises(FolderDamagedError, match=message):
        opened(folder)
    with pytest.raises(FolderDamagedError, match=message):
        restore(folder, name, io.BytesIO(snapshot))
    checked = {path.name: problems for path, problems in verify_below(folder)}
    assert checked[name] == list(examine(folder / name).problems)
    assert list(verify_below(folder / name)) == [(folder / name, checked[name])]
    assert contents(folder) == before


@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES)
def test_a_running_server_refuses_data_that_it_did_not_open(
    folder: Path, damage: Callable[[Path], None], name: str, message: str
) -> None:
    """The data were restored while the server ran."""
    shutil.copytree(folder, folder.parent / "restored")
    damage(folder.parent / "restored")
    shutil.rmtree(folder)
    indexes = opened(folder)
    shutil.copytree(folder.parent / "restored", folder, dirs_exist_ok=True)
    before = contents(folder)
    for call in (indexes.delete, lambda name: indexes.create(name, CreateRequest())):
        with pytest.raises(UnknownFilesError, match=message):
            call(name)
    assert contents(folder) == before
    indexes.close()


def test_an_index_that_appears_while_the_server_runs_is_not_replaced(folder: Path) -> None:
    shutil.move(folder / "a", folder.parent / "a")
    indexes = opened(folder)
    shutil.move(folder.parent / "a", folder / "a")
    before = contents(folder)
    for call in (indexes.delete, lambda name: indexes.create(name, CreateRequest())):
        with pytest.raises(UnknownFilesError, match="was not there at the start: restart"):
            call("a")
    indexes.close()
    assert contents(folder) == before


def make_folder(path: Path) -> None:
    """A folder of another program."""
    (path / "notes" / "v1").mkdir(parents=True)


def make_file(path: Path) -> None:
    """A file in place of a folder."""
    (path / "notes").write_text("not ours")


def make_dangling_link(path: Path) -> None:
    """A symbolic link without a target."""
    (path / "notes").symlink_to("nowhere")


@pytest.mark.parametrize("make", [make_folder, make_file, make_dangling_link])
def test_entries_that_are_not_of_an_index_are_left_alone(
    folder: Path, snapshot: bytes, make: Callable[[Path], None]
) -> None:
    """The server starts; the name cannot be used, and the log names the entry."""
    make(folder)
    before = sorted(path.as_posix() for path in folder.rglob("*"))
    with capture_logs() as logs:
        indexes = opened(folder)
        assert indexes.get("a").version() == 1
        with pytest.raises(IndexNotFoundError):
            indexes.get("notes")
        for call in (indexes.delete, lambda name: indexes.create(name, CreateRequest())):
            with pytest.raises(UnknownFilesError, match="notes has entries that are not of an"):
                call("notes")
        indexes.close()
    assert any(str(folder / "notes") in str(log.get("path")) for log in logs)
    with pytest.raises(FolderDamagedError, match="notes has entries that are not of an index"):
        restore(folder, "notes", io.BytesIO(snapshot))
    assert sorted(path.as_posix() for path in folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["README", "v000003.bak", "v3", "state.old"])
def test_unknown_entries_beside_an_index_are_left_alone(folder: Path, name: str) -> None:
    """Also when the index is deleted and created again."""
    shutil.copytree(folder / "a" / "v000003", folder / "a" / name)
    kept = contents(folder / "a" / name)
    indexes = opened(folder)
    indexes.delete("a")
    indexes.create("a", CreateRequest())
    indexes.close()
    opened(folder).close()
    assert contents(folder / "a" / name) == kept


def test_unknown_files_of_a_deleted_index_are_left_alone(folder: Path) -> None:
    (folder / "a" / "v000003" / "README").write_text("not ours")
    for _ in range(2):
        indexes = opened(folder)
        indexes.delete("a")
        indexes.create("a", CreateRequest())
        indexes.close()
    assert (folder / "a" / "v000003" / "README").read_text() == "not ours"


def test_links_to_folders_are_followed_and_their_targets_are_not_deleted(folder: Path) -> None:
    shutil.move(folder / "a" / "v000003", folder.parent / "elsewhere")
    (folder / "a" / "v000003").symlink_to(folder.parent / "elsewhere")
    indexes = opened(folder)
    assert indexes.get("a").version() == 1
    indexes.delete("a")
    assert not (folder / "a" / "v000003").is_symlink()
    assert (folder.parent / "elsewhere" / "manifest").exists()
    assert indexes.create("a", CreateRequest()).generation == 4
    indexes.close()


def recreate_empty(path: Path) -> None:
    """An earlier version was killed while it created an index again."""
    shutil.copytree(path / "empty", path / "gone" / "v000004")


def create_empty(path: Path) -> None:
    """An earlier version was killed while it created an index."""
    shutil.copytree(path / "empty", path / "new" / "v000001")


def keep_deleted(path: Path) -> None:
    """A deletion was killed before it removed the data."""
    shutil.copytree(path / "a" / "v000003", path / "gone" / "v000003")


def keep_unfinished(path: Path) -> None:
    """A restore was killed."""
    (path / "new").mkdir()
    write_state(path / "new", State(3, deleted=True, unfinished=True))
    shutil.copytree(path / "a" / "v000003", path / "new" / "v000003")


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
    indexes = opened(folder)
    indexes.create("empty", CreateRequest(generation=1))
    indexes.close()
    shutil.move(folder / "empty" / "v000001", folder.parent / "empty")
    shutil.rmtree(folder / "empty")
    shutil.move(folder.parent / "empty", folder / "empty")
    leave(folder)
    shutil.rmtree(folder / "empty")
    indexes = opened(folder)
    assert list(folder.glob(f"{name}/v*")) == []
    index = indexes.create(name, CreateRequest())
    assert (index.generation, index.version()) == (generation, 0)
    indexes.close()


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
