"""The writer's rules: positions, locks, reopening, rebuilding; the same for both users."""

from __future__ import annotations

import errno
import multiprocessing
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.storage import files
from pipeline.storage.format import LOCK_NAME
from pipeline.storage.snapshot import load_snapshot
from tests.unit.storage.users import segment_files, state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from tests.unit.storage.users import Numbers, User


@pytest.fixture
def writer(user: User, path: Path) -> Iterator[Any]:
    """A writer of a folder with documents 1 and 2 at position 10."""
    with user.open_background_writer(path) as opened:
        user.apply(opened, {1: 1, 2: 2}, 10)
        yield opened


def test_a_new_folder_is_empty_at_position_0(user: User, path: Path) -> None:
    with user.open_writer(path / "deeper") as opened:
        assert opened.position() == 0
    assert state(user, path / "deeper") == (0, {})


def test_only_the_owner_can_read_and_lock_the_files(user: User, path: Path) -> None:
    umask = os.umask(0)
    try:
        with user.open_writer(path / "deeper") as opened:
            user.apply(opened, {1: 1}, 10)
        modes = {each: stat.S_IMODE(each.stat().st_mode) for each in path.rglob("*")}
    finally:
        os.umask(umask)
    assert modes
    assert {mode for each, mode in modes.items() if each.is_file()} == {0o600}
    assert {mode for each, mode in modes.items() if each.is_dir()} == {0o700}


def test_a_writer_corrects_the_mode_of_an_earlier_lock(user: User, path: Path) -> None:
    path.mkdir()
    lock = path / LOCK_NAME
    lock.touch()
    lock.chmod(0o644)
    with user.open_writer(path):
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600


def test_changes_and_position_survive_reopening(user: User, path: Path, writer: Any) -> None:
    user.apply(writer, {1: 11, 2: None}, 12)
    writer.close()
    with user.open_writer(path) as again:
        assert again.position() == 12
    assert state(user, path) == (12, user.documents({1: 11}))


def test_a_position_before_the_current_one_is_refused(user: User, path: Path, writer: Any) -> None:
    with pytest.raises(ValueError, match="position 9 is below"):
        user.apply(writer, {1: None}, 9)
    assert state(user, path) == (10, user.documents({1: 1, 2: 2}))


def test_changes_at_the_current_position_are_applied(user: User, path: Path, writer: Any) -> None:
    user.apply(writer, {1: None}, 10)
    assert state(user, path) == (10, user.documents({2: 2}))


def test_a_position_can_move_without_changes(user: User, path: Path, writer: Any) -> None:
    user.apply(writer, {}, 11)
    assert state(user, path) == (11, user.documents({1: 1, 2: 2}))
    assert writer.position() == 11
    assert len(segment_files(user, path)) == 1


def test_a_deletion_of_an_unknown_document_leaves_no_segment(
    user: User, path: Path, writer: Any
) -> None:
    user.apply(writer, {5: None}, 11)
    assert len(segment_files(user, path)) == 1


def test_a_second_writer_is_refused_until_the_first_closes(
    user: User, path: Path, writer: Any
) -> None:
    message = f"another writer has this {user.format.noun} open"
    with pytest.raises(user.format.locked, match=message):
        user.open_writer(path)
    writer.close()
    writer.close()
    user.open_writer(path).close()


def test_a_closed_writer_says_so(user: User, writer: Any) -> None:
    writer.close()
    for call in (
        writer.position,
        lambda: user.apply(writer, {}, 11),
        lambda: user.rebuild(writer, [], 11),
    ):
        with pytest.raises(user.format.unusable, match="this writer is closed; open another"):
            call()


def test_a_failed_opening_releases_the_lock(user: User, path: Path) -> None:
    user.open_writer(path).close()
    (path / "manifest").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(user.format.corrupt, match=f"{path}/manifest: is damaged"):
            user.open_writer(path)


def test_a_forked_process_may_not_use_the_writer_nor_drop_its_lock(
    user: User, path: Path, writer: Any
) -> None:
    def use_and_close() -> None:
        with pytest.raises(user.format.unusable, match="a forked process must open its own"):
            user.apply(writer, {1: None}, 11)
        writer.close()

    child = multiprocessing.get_context("fork").Process(target=use_and_close)
    child.start()
    child.join()
    assert child.exitcode == 0
    with pytest.raises(user.format.locked):
        user.open_writer(path)
    user.apply(writer, {1: None}, 11)
    assert state(user, path) == (11, user.documents({2: 2}))


def test_opening_sweeps_away_what_a_crash_left(user: User, path: Path, writer: Any) -> None:
    writer.close()
    suffix = user.format.suffix
    stray = [path / f"00000000000000ff{suffix}.new", path / "manifest.tmp"]
    for file in stray:
        file.write_bytes(b"half")
    (path / "README").write_text("not ours")
    with user.open_writer(path) as again:
        assert not any(file.exists() for file in stray)
        assert (path / "README").exists()
        # Its number is not given out again, in case a reader has seen it.
        user.apply(again, {3: 3}, 11)
    assert (path / f"0000000000000100{suffix}").exists()


def test_numbers_are_not_given_out_again_after_a_failure(
    user: User, path: Path, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_at", failing)
        with pytest.raises(OSError, match="disk full"):
            user.apply(writer, {3: 3}, 11)
    assert [file.name for file in segment_files(user, path)] == [
        f"0000000000000001{user.format.suffix}"
    ]
    user.apply(writer, {3: 3}, 11)
    assert segment_files(user, path)[-1].stem == "0000000000000003"


def test_a_lost_manifest_is_damage(user: User, path: Path, writer: Any) -> None:
    """The folder is refused until it is cleared."""
    writer.close()
    (path / "manifest").unlink()
    lost = {file.name for file in segment_files(user, path)}
    assert lost
    problem = f"{path}/manifest: is missing although segments exist"
    with pytest.raises(user.format.corrupt, match=problem):
        user.open_writer(path)
    with pytest.raises(user.format.corrupt, match=problem):
        load_snapshot(user.format, path)
    assert {file.name for file in segment_files(user, path)} == lost
    with user.open_writer(path, clear_damaged=True) as again:
        assert state(user, path) == (0, {})
        user.apply(again, {3: 3}, 1)
    assert not lost & {file.name for file in segment_files(user, path)}


class TestRebuild:
    """Replacing the whole content."""

    def test_only_the_new_content_remains(self, user: User, path: Path, writer: Any) -> None:
        batches: list[Numbers] = [{5: 5, 6: 6}, {}, {5: 55, 6: None}]
        user.rebuild(writer, batches, 20)
        assert writer.position() == 20
        assert state(user, path) == (20, user.documents({5: 55}))

    def test_it_may_go_back_to_an_earlier_position(
        self, user: User, path: Path, writer: Any
    ) -> None:
        user.rebuild(writer, [{5: 5}], 3)
        assert writer.position() == 3
        assert state(user, path) == (3, user.documents({5: 5}))

    def test_nothing_makes_an_empty_folder(self, user: User, path: Path, writer: Any) -> None:
        user.rebuild(writer, [], 11)
        assert state(user, path) == (11, {})
        assert segment_files(user, path) == []

    def test_readers_see_the_old_content_until_the_end(
        self, user: User, path: Path, writer: Any
    ) -> None:
        seen: set[tuple[int, ...]] = set()

        def batches() -> Iterator[Numbers]:
            for number in range(50, 90):
                seen.add(tuple(sorted(user.contents(path))))
                yield {number: number}

        user.rebuild(writer, batches(), 20)
        assert seen == {(1, 2)}
        assert sorted(user.contents(path)) == list(range(50, 90))

    def test_it_merges_on_the_way(self, user: User, path: Path, writer: Any) -> None:
        most = 0

        def batches() -> Iterator[Numbers]:
            nonlocal most
            for number in range(1, 60):
                most = max(most, len(segment_files(user, path)))
                yield {number: number}

        user.rebuild(writer, batches(), 20)
        assert most <= 1 + user.resting
        assert len(segment_files(user, path)) <= user.resting

    def test_a_source_that_fails_changes_nothing(self, user: User, path: Path, writer: Any) -> None:
        before = sorted(path.iterdir())

        def batches() -> Iterator[Numbers]:
            for number in range(1, 20):
                yield {number: number}
            raise ConnectionError

        with pytest.raises(ConnectionError):
            user.rebuild(writer, batches(), 20)
        assert sorted(path.iterdir()) == before
        assert writer.position() == 10
        user.apply(writer, {1: None}, 11)
        assert state(user, path) == (11, user.documents({2: 2}))
