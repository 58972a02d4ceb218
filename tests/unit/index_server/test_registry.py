"""The registry: restarts, crashes, disk errors, damaged files, names."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index_server.errors import IndexDamagedError, IndexNotFoundError, InvalidIndexNameError
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.registry import CreateRequest, IndexRegistry
from index_server.served_index import SearchRequest
from index_server.state import State, read_state
from index_server.update_batching import UpdateRequest
from pipeline.index import IndexReader, Insert
from tests.faults.storage.failing_files import Killed, disk_error_at, failing, killed_at, never
from tests.unit.index.model import terms


def opened(path: Path) -> IndexRegistry:
    """Open the indexes of a folder."""
    return IndexRegistry(path, IndexServerMetrics())


def with_one_index(path: Path) -> None:
    """Create an index `a` at version 1."""
    indexes = opened(path)
    indexes.create("a", CreateRequest()).update(UpdateRequest([Insert(1, terms(5))]))
    indexes.close()


def names(path: Path) -> list[str]:
    """Return the paths of all files and folders except locks."""
    found = (each.relative_to(path).as_posix() for each in path.rglob("*"))
    return sorted(name for name in found if not name.endswith("lock"))


def exists(indexes: IndexRegistry, name: str) -> bool:
    """Return whether an index exists."""
    try:
        indexes.get(name)
    except IndexNotFoundError:
        return False
    return True


def create(indexes: IndexRegistry) -> None:
    """Create `b`."""
    indexes.create("b", CreateRequest())


def delete(indexes: IndexRegistry) -> None:
    """Delete `a`."""
    indexes.delete("a")


def recreate(indexes: IndexRegistry) -> None:
    """Delete `a` and create it again."""
    indexes.delete("a")
    indexes.create("a", CreateRequest())


def test_indexes_survive_a_restart_and_deleted_ones_do_not(tmp_path: Path) -> None:
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    indexes.create("gone", CreateRequest())
    indexes.delete("gone")
    indexes.close()
    indexes = opened(tmp_path)
    assert indexes.get("a").version() == 1
    assert indexes.create("gone", CreateRequest()).generation == 2
    indexes.close()


@pytest.mark.parametrize("act", [create, delete, recreate])
def test_changes_are_atomic_when_the_process_is_killed(
    act: Callable[[IndexRegistry], None], tmp_path: Path
) -> None:
    """After the restart each index exists completely or not at all, and can be created."""
    with_one_index(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "whole")
    indexes = opened(tmp_path / "whole")
    with failing(never) as calls:
        act(indexes)
    indexes.close()
    assert calls.count > 0
    for number in range(calls.count):
        path = tmp_path / str(number)
        shutil.copytree(tmp_path / "before", path)
        indexes = opened(path)
        with failing(killed_at(number)), pytest.raises(Killed):
            act(indexes)
        indexes.close()
        again = opened(path)
        states = {name: read_state(path / name) for name in ("a", "b")}
        for name, state in states.items():
            alive = state is not None and not state.deleted
            assert exists(again, name) == alive
            generations = list((path / name).glob("v*")) if state is not None else []
            assert len(generations) == alive
        again.create("a", CreateRequest())
        again.create("b", CreateRequest())
        again.close()


@pytest.mark.parametrize("act", [create, delete])
def test_a_disk_error_is_raised_and_the_next_change_succeeds(
    act: Callable[[IndexRegistry], None], tmp_path: Path
) -> None:
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    with failing(disk_error_at(0)), pytest.raises(OSError, match="failing disk"):
        act(indexes)
    assert indexes.get("a").version() == 1
    act(indexes)
    indexes.close()


def test_a_deleted_index_raises_index_not_found(tmp_path: Path) -> None:
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    index = indexes.get("a")
    indexes.delete("a")
    request = SearchRequest(terms(5))
    uses = (
        index.info,
        index.version,
        lambda: index.search(request),
        lambda: index.update(UpdateRequest()),
    )
    for use in uses:
        with pytest.raises(IndexNotFoundError):
            use()
    indexes.close()


def test_an_index_deleted_during_a_call_raises_index_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without this check the reader would report an empty index."""
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    index = indexes.get("a")
    position = IndexReader.position

    def late(reader: IndexReader) -> int:
        indexes.delete("a")
        return position(reader)

    monkeypatch.setattr(IndexReader, "position", late)
    with pytest.raises(IndexNotFoundError):
        index.version()
    indexes.close()


def test_other_folders_stay_unchanged(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "notes" / "v1").mkdir(parents=True)
    (tmp_path / "file").touch()
    opened(tmp_path).close()
    assert names(tmp_path) == ["file", "lost+found", "notes", "notes/v1"]


def lose_engine(path: Path) -> None:
    shutil.rmtree(path / "a" / "v000001")


def damage_manifest(path: Path) -> None:
    (path / "a" / "v000001" / "manifest").write_bytes(b"")


def damage_state(path: Path) -> None:
    (path / "a" / "state").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_engine, "a/v000001 is missing"),
        (damage_manifest, "a/v000001/manifest: .* restore a backup"),
        (damage_state, "a/state is damaged"),
    ],
)
def test_a_damaged_index_is_refused_and_the_others_are_served(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    indexes.create("b", CreateRequest())
    indexes.close()
    damage(tmp_path)
    indexes = opened(tmp_path)
    assert indexes.get("b").version() == 0
    for call in (indexes.get, indexes.delete, lambda name: indexes.create(name, CreateRequest())):
        with pytest.raises(IndexDamagedError):
            call("a")
    assert [*indexes.damaged.all()] == ["a"]
    assert re.search(message, indexes.damaged.get("a"))
    (tmp_path / "a").rename(tmp_path / "moved.away")
    indexes.create("a", CreateRequest())
    assert indexes.get("a").version() == 0
    assert not indexes.damaged.all()
    indexes.close()


def test_the_state_file_stays_after_a_deletion(tmp_path: Path) -> None:
    with_one_index(tmp_path)
    indexes = opened(tmp_path)
    assert indexes.delete("a")
    assert not indexes.delete("a")
    assert names(tmp_path) == ["a", "a/state"]
    assert read_state(tmp_path / "a") == State(1, deleted=True)
    indexes.close()


@pytest.mark.parametrize("name", ["", ".", "a.b", "a/b", "ä", "a" * 256, "a\n"])
def test_invalid_names_are_refused(name: str, tmp_path: Path) -> None:
    indexes = opened(tmp_path)
    for call in (indexes.get, indexes.delete, lambda name: indexes.create(name, CreateRequest())):
        with pytest.raises(InvalidIndexNameError):
            call(name)


@pytest.mark.parametrize("name", ["_health", "_metrics"])
def test_names_of_the_server_are_reserved(name: str, tmp_path: Path) -> None:
    """An index of an earlier version with such a name is still opened, and can be deleted."""
    indexes = opened(tmp_path)
    with pytest.raises(InvalidIndexNameError):
        indexes.create(name, CreateRequest())
    indexes.create("a", CreateRequest())
    indexes.close()
    (tmp_path / "a").rename(tmp_path / name)
    indexes = opened(tmp_path)
    assert indexes.delete(name)
    indexes.close()


@pytest.mark.parametrize("name", ["a", "0", "_-", "a" * 255])
def test_valid_names_are_accepted(name: str, tmp_path: Path) -> None:
    indexes = opened(tmp_path)
    indexes.create(name, CreateRequest())
    assert indexes.get(name).name == name
    indexes.close()
