"""Only files that a commit has replaced, or that were never committed, are deleted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.storage.check import refused_files
from tests.unit.storage.users import segment_files, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import User

LATER = "00000000000000ff"


@pytest.fixture
def folder(user: User, path: Path) -> Path:
    """A folder at position 2 with two segments; the writer is closed."""
    with user.open_writer(path) as writer:
        for number in (1, 2):
            user.apply(writer, {number: number}, number)
    return path


def contents(path: Path) -> dict[str, bytes]:
    """Return all files of a folder by name."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_segments_have_their_final_names_after_a_commit(user: User, folder: Path) -> None:
    assert [file.stem for file in segment_files(user, folder)] == [f"{1:016x}", f"{2:016x}"]


@pytest.mark.parametrize("clear_damaged", [False, True])
@pytest.mark.parametrize(
    "name", ["x", "1", "00000000000000FF", "00000000000000ff0", ".00000000000000ff", ""]
)
def test_a_file_with_an_unknown_name_is_refused_by_name(
    user: User, folder: Path, name: str, *, clear_damaged: bool
) -> None:
    stray = folder / f"{name}{user.format.suffix}"
    stray.write_bytes(b"not ours")
    if clear_damaged:
        (folder / "manifest").write_bytes(b"")
    before = contents(folder)
    with pytest.raises(user.format.corrupt, match="move it to another folder") as caught:
        user.open_writer(folder, clear_damaged=clear_damaged)
    assert caught.value.path == stray
    assert contents(folder) == before
    assert any(line.startswith(f"{stray}: ") for line in user.verify(folder)) or clear_damaged
    stray.unlink()
    user.open_writer(folder, clear_damaged=clear_damaged).close()


def test_a_folder_with_only_an_unknown_name_is_refused(user: User, path: Path) -> None:
    path.mkdir()
    (path / f"x{user.format.suffix}").touch()
    with pytest.raises(user.format.corrupt, match=f"/x{user.format.suffix}: has the suffix"):
        user.open_writer(path)


def test_a_segment_that_was_committed_after_the_manifest_is_kept(user: User, path: Path) -> None:
    """An old manifest was restored beside newer segments."""
    with user.open_writer(path) as writer:
        user.apply(writer, {1: 1}, 1)
        old = (path / "manifest").read_bytes()
        user.apply(writer, {2: 2}, 2)
    newest = (path / "manifest").read_bytes()
    (path / "manifest").write_bytes(old)
    before = contents(path)
    for _ in range(2):
        with pytest.raises(user.format.corrupt, match="is newer than the manifest") as caught:
            user.open_writer(path)
        assert caught.value.path.stem == f"{2:016x}"
        assert contents(path) == before
    assert user.verify(path) == [str(caught.value)]
    (path / "manifest").write_bytes(newest)
    user.open_writer(path).close()
    assert state(user, path) == (2, user.documents({1: 1, 2: 2}))


def test_a_missing_lock_is_not_that_of_an_earlier_version(user: User, folder: Path) -> None:
    """A copy may leave it out, together with the newest manifest."""
    stray = folder / f"{LATER}{user.format.suffix}"
    stray.write_bytes(b"newer")
    (folder / "lock").unlink()
    for _ in range(2):
        assert [error.path for error in refused_files(user.format, folder)] == [stray]
        with pytest.raises(user.format.corrupt, match="is newer than the manifest"):
            user.open_writer(folder)
        assert stray.read_bytes() == b"newer"
    stray.rename(folder.with_name("elsewhere"))
    user.open_writer(folder).close()
    assert state(user, folder) == (2, user.documents({1: 1, 2: 2}))


def test_a_backup_that_is_copied_over_a_newer_folder_is_refused(user: User, path: Path) -> None:
    with user.open_writer(path) as writer:
        user.apply(writer, {1: 1}, 1)
    backup = shutil.copytree(path, path.with_name("backup"))
    with user.open_writer(path) as writer:
        user.apply(writer, {2: 2}, 2)
    shutil.copytree(backup, path, dirs_exist_ok=True)
    before = contents(path)
    with pytest.raises(user.format.corrupt, match="is newer than the manifest"):
        user.open_writer(path)
    assert contents(path) == before
    with user.open_writer(path, clear_damaged=True) as writer:
        user.rebuild(writer, [{5: 5}], 7)
    assert state(user, path) == (7, user.documents({5: 5}))
    assert user.verify(path) == []


def test_replaced_segments_are_deleted(user: User, folder: Path) -> None:
    """A crash after a merge can leave them."""
    first = segment_files(user, folder)[0]
    kept = first.read_bytes()
    with user.open_writer(folder) as writer:
        user.rebuild(writer, [{3: 3}], 3)
    first.write_bytes(kept)
    user.open_writer(folder).close()
    assert not first.exists()
    assert state(user, folder) == (3, user.documents({3: 3}))


def test_a_commit_that_was_cut_before_the_rename_is_finished(user: User, folder: Path) -> None:
    newest = segment_files(user, folder)[-1]
    newest.rename(f"{newest}.new")
    assert user.verify(folder) == []
    assert state(user, folder) == (2, user.documents({1: 1, 2: 2}))
    user.open_writer(folder).close()
    assert newest.exists()
    assert not newest.with_name(f"{newest.name}.new").exists()
    assert state(user, folder) == (2, user.documents({1: 1, 2: 2}))


def test_a_segment_in_a_folder_of_an_earlier_version_is_set_aside(user: User, folder: Path) -> None:
    """That version gave it its final name before the commit, so a crash may have left it."""
    (folder / "lock").write_bytes(b"")
    stray = folder / f"{LATER}{user.format.suffix}"
    stray.write_bytes(b"half")
    assert refused_files(user.format, folder) == []
    with user.open_writer(folder) as writer:
        user.apply(writer, {3: 3}, 3)
    assert stray.with_name(f"{stray.name}.unlisted").read_bytes() == b"half"
    assert not stray.exists()
    assert segment_files(user, folder)[-1].stem == f"{0x100:016x}"
    assert user.verify(folder) == []
    (folder / f"00000000000001ff{user.format.suffix}").write_bytes(b"half")
    with pytest.raises(user.format.corrupt, match="is newer than the manifest"):
        user.open_writer(folder)
