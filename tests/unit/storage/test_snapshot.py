"""Readers follow the manifest; the same for both users."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.storage import manifest, snapshot
from pipeline.storage.snapshot import LatestSnapshot, load_snapshot
from tests.unit.storage.users import segment_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.storage.users import User


@pytest.fixture
def writer(user: User, path: Path) -> Iterator[Any]:
    """A writer of a folder with document 1 at position 1."""
    with user.open_writer(path) as opened:
        user.apply(opened, {1: 1}, 1)
        yield opened


def test_where_nothing_is_yet_a_reader_is_empty_until_it_appears(user: User, path: Path) -> None:
    reader = user.open_reader(path)
    assert reader.position() == 0
    assert user.holding(reader, [1]) == [set()]
    with user.open_writer(path) as opened:
        user.apply(opened, {5: 1}, 4)
    assert user.holding(reader, [1]) == [{5}]
    assert reader.position() == 4
    reader.close()


def test_refresh_tells_whether_there_was_a_new_state(user: User, path: Path, writer: Any) -> None:
    latest = LatestSnapshot(user.format, path)
    assert latest.refresh()
    assert not latest.refresh()
    user.apply(writer, {}, 2)
    assert latest.refresh()
    assert not latest.refresh()
    latest.close()


def test_a_folder_that_is_deleted_and_made_again_is_followed(user: User, path: Path) -> None:
    reader = user.open_reader(path)
    for document in (1, 2):
        with user.open_writer(path) as opened:
            user.apply(opened, {document: 7}, 1)
        assert user.holding(reader, [7]) == [{document}]
        shutil.rmtree(path)
        assert reader.position() == 0
    reader.close()


def test_an_open_segment_outlives_its_file(user: User, path: Path, writer: Any) -> None:
    old = load_snapshot(user.format, path)
    user.rebuild(writer, [{2: 2}], 2)
    [segment] = old.segments.segments
    assert not segment.path.exists()
    assert segment.ids.tolist() == [1]
    old.close()


def test_segments_that_stay_are_not_opened_again(user: User, path: Path, writer: Any) -> None:
    latest = LatestSnapshot(user.format, path)
    [before] = latest.get().segments.segments
    user.apply(writer, {2: 2}, 2)
    assert latest.get().segments.segments[0] is before
    latest.close()


@pytest.mark.parametrize("with_manifest", [True, False])
def test_replaced_segments_are_opened_again(
    user: User, path: Path, writer: Any, *, with_manifest: bool
) -> None:
    """Their entries in the manifest are equal."""
    writer.close()
    latest = LatestSnapshot(user.format, path)
    [before] = latest.get().segments.segments
    latest.check_files()
    assert latest.get().segments.segments == (before,)
    if with_manifest:
        shutil.copytree(path, path.with_name("copy"))
        shutil.rmtree(path)
        path.with_name("copy").rename(path)
    else:
        shutil.copy2(before.path, path / "copy")
        (path / "copy").replace(before.path)
    latest.check_files()
    [after] = latest.get().segments.segments
    assert after is not before
    latest.check_files()
    assert latest.get().segments.segments == (after,)
    latest.close()


def test_a_segment_gone_since_the_manifest_was_read_is_no_error(
    user: User, path: Path, writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*arguments: Any) -> Any:
        monkeypatch.undo()
        user.rebuild(writer, [{2: 2}], 2)
        return manifest.decode_manifest(*arguments)

    monkeypatch.setattr(snapshot, "decode_manifest", overtaken)
    loaded = load_snapshot(user.format, path)
    assert loaded.manifest.position == 2
    loaded.close()


def test_a_segment_gone_for_good_is_named(user: User, path: Path, writer: Any) -> None:
    writer.close()
    [segment] = segment_files(user, path)
    segment.unlink()
    with pytest.raises(user.format.corrupt, match=f"{segment}: is missing"):
        user.open_reader(path).position()
    with pytest.raises(user.format.corrupt, match=f"{segment}: is missing"):
        user.open_writer(path)


def test_a_closed_reader_opens_again_when_it_is_used(user: User, path: Path, writer: Any) -> None:
    reader = user.open_reader(path)
    assert reader.position() == 1
    reader.close()
    user.apply(writer, {}, 2)
    assert reader.position() == 2
    assert user.holding(reader, [1]) == [{1}]
    reader.close()


def test_threads_share_a_reader(user: User, path: Path, writer: Any) -> None:
    failures: list[object] = []
    reader = user.open_reader(path)
    done = threading.Event()

    def read() -> None:
        last = 0
        while not done.is_set():
            position = reader.position()
            found = user.holding(reader, range(1, 60))
            held = [ids for ids in found if ids]
            if held != [{1}] or position < last:
                failures.append((position, last, held))
            last = position

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for position in range(2, 60):
        user.apply(writer, {1: position}, position)
    done.set()
    for thread in threads:
        thread.join()
    reader.close()
    assert failures == []
