"""Only data that a record names as deleted or unfinished are deleted or replaced."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from index_server.errors import IndexDamagedError, IndexNotFoundError, UnknownFilesError
from index_server.name_folder import FolderDamagedError, examine
from index_server.offline import restore, verify_below
from index_server.registry import CreateRequest
from index_server.state import State, write_state
from tests.unit.index_server.server_folder import contents, opened


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
    """Restore an earlier generation beside the current one."""
    shutil.copytree(path / "a" / "v000003", path / "a" / "v000002")


def restore_deleted_data(path: Path) -> None:
    """Restore an earlier generation of a deleted index."""
    shutil.copytree(path / "a" / "v000003", path / "gone" / "v000002")


def restore_deleted_index(path: Path) -> None:
    """Restore the data of a deleted index without its state file."""
    shutil.copytree(path / "a" / "v000003", path / "gone" / "v000003")


def restore_deleted_index_of_earlier_version(path: Path) -> None:
    """The same in a folder of a version that wrote the state file before it removed the data."""
    restore_deleted_index(path)
    (path / "gone" / "state").write_text('{"generation": 3, "deleted": true}')


def add_unknown_segment(path: Path) -> None:
    """A file in an otherwise empty folder has the suffix of a segment."""
    (path / "new" / "v000001").mkdir(parents=True)
    (path / "new" / "v000001" / "x.segment").write_text("not ours")


def add_partial_engine(path: Path) -> None:
    """No restore of this generation was interrupted."""
    shutil.copytree(path / "a" / "v000003", path / "a" / "v000003.new")


def put_folder_in_place_of_manifest(path: Path) -> None:
    """A folder has the name of the manifest."""
    lose_manifest(path)
    (path / "a" / "v000003" / "manifest").mkdir()


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
    (restore_deleted_index, "gone", "gone/state says .* no index, but .*/v000003 has data"),
    (restore_deleted_index_of_earlier_version, "gone", "gone/state says .*/v000003 has data"),
    (add_unknown_segment, "new", "new/v000001/x.segment: has the suffix .*move it to another"),
    (add_partial_engine, "a", "a/v000003.new is not of a restore that .*/state names"),
    (put_folder_in_place_of_manifest, "a", "a/v000003/manifest is not a file"),
    (lose_engine, "a", "a/v000003 is missing"),
    (empty_engine, "a", "a/v000003/manifest is missing"),
    (lose_manifest, "a", "a/v000003/manifest is missing"),
    (put_file_in_place_of_engine, "a", "a/v000003 is not a folder"),
    (put_folder_in_place_of_state, "a", "a/state is damaged"),
]


@pytest.mark.parametrize(("damage", "name", "message"), DAMAGES)
def test_data_that_is_not_understood_is_refused_by_name_and_stays(
    folder: Path, snapshot: bytes, damage: Callable[[Path], None], name: str, message: str
) -> None:
    """By the start, by a restore and by the check of all files."""
    damage(folder)
    before = contents(folder)
    indexes = opened(folder)
    with pytest.raises(IndexDamagedError):
        indexes.get(name)
    assert re.search(message, indexes.damaged.get(name))
    indexes.close()
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
        with pytest.raises(UnknownFilesError, match="new since the start: restart the server"):
            call("a")
    indexes.close()
    assert contents(folder) == before


def test_all_problems_are_listed_at_once(folder: Path) -> None:
    """Also those that are found when the indexes are opened."""
    for name in ("b", "c"):
        shutil.copytree(folder / "a", folder / name)
        for segment in (folder / name / "v000003").glob("*.segment"):
            segment.write_bytes(b"")
    indexes = opened(folder)
    for name, problem in indexes.damaged.all().items():
        assert re.search(f"{name}/v000003/.*segment", problem)
    assert [*indexes.damaged.all()] == ["b", "c"]
    assert indexes.get("a").version() > 0
    indexes.close()


@pytest.mark.parametrize("name", ["state", "manifest", "v000003"])
def test_an_index_may_have_the_name_of_a_file(folder: Path, name: str) -> None:
    """The check of all files tells a folder from a file."""
    indexes = opened(folder)
    indexes.create(name, CreateRequest())
    indexes.close()
    names = sorted(["a", name])
    assert [(path.name, problems) for path, problems in verify_below(folder)] == [
        (each, []) for each in names
    ]
    assert list(verify_below(folder / name)) == [(folder / name, [])]


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
def test_entries_that_do_not_belong_to_an_index_stay(
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
            with pytest.raises(UnknownFilesError, match="notes has entries that do not belong"):
                call("notes")
        indexes.close()
    assert any(str(folder / "notes") in str(log.get("path")) for log in logs)
    with pytest.raises(FolderDamagedError, match="notes has entries that do not belong"):
        restore(folder, "notes", io.BytesIO(snapshot))
    assert sorted(path.as_posix() for path in folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["README", "v000003.bak", "v3", "state.old"])
def test_unknown_entries_beside_an_index_stay(folder: Path, name: str) -> None:
    """Also when the index is deleted and created again."""
    shutil.copytree(folder / "a" / "v000003", folder / "a" / name)
    kept = contents(folder / "a" / name)
    indexes = opened(folder)
    indexes.delete("a")
    indexes.create("a", CreateRequest())
    indexes.close()
    opened(folder).close()
    assert contents(folder / "a" / name) == kept


def test_unknown_files_of_a_deleted_index_stay(folder: Path) -> None:
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
