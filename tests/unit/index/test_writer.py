"""The writer's rules: positions, locks, reopening, rebuilding."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

import pytest

from pipeline.index import (
    Delete,
    IndexCorrupt,
    IndexLocked,
    Insert,
    StalePosition,
    WriterUnusable,
    open_reader,
    open_writer,
    writer,
)
from pipeline.index.manifest import read_manifest
from pipeline.index.merge_policy import MAX_SEGMENTS
from tests.unit.index.model import contents, terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.index import Change, IndexWriter


@pytest.fixture
def opened(path: Path) -> Iterator[IndexWriter]:
    """A writer of an index with documents 1 and 2 at position 10."""
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(16)), Insert(2, terms(32))], 10)
        yield writer


def test_a_new_index_is_empty_at_position_0(path: Path) -> None:
    with open_writer(path / "deeper") as writer:
        assert writer.position() == 0
    assert contents(path / "deeper") == {}


def test_changes_and_position_survive_reopening(path: Path, opened: IndexWriter) -> None:
    opened.apply([Insert(1, terms(48)), Delete(2)], 12)
    opened.close()
    with open_writer(path) as again:
        assert again.position() == 12
    assert contents(path) == {1: frozenset({48})}


def test_a_position_before_the_current_one_is_refused(path: Path, opened: IndexWriter) -> None:
    with pytest.raises(StalePosition, match="position 9 lies before the index's own, 10") as caught:
        opened.apply([Delete(1)], 9)
    assert (caught.value.position, caught.value.current) == (9, 10)
    assert set(contents(path)) == {1, 2}


def test_nothing_at_the_current_position_is_no_commit(path: Path, opened: IndexWriter) -> None:
    before = read_manifest(path)
    opened.apply([], 10)
    assert read_manifest(path) == before


def test_changes_at_the_current_position_are_applied(path: Path, opened: IndexWriter) -> None:
    opened.apply([Delete(1)], 10)
    assert set(contents(path)) == {2}


def test_a_position_can_move_without_changes(path: Path, opened: IndexWriter) -> None:
    opened.apply([], 11)
    with open_reader(path) as reader:
        assert reader.position() == opened.position() == 11
        assert reader.stats().segments == 1


def test_a_malformed_change_changes_nothing(path: Path, opened: IndexWriter) -> None:
    with pytest.raises(ValueError, match="document id 0"):
        opened.apply([Insert(3, terms(16)), Insert(0, terms(16))], 11)
    assert opened.position() == 10
    assert set(contents(path)) == {1, 2}
    opened.apply([Insert(3, terms(16))], 11)
    assert set(contents(path)) == {1, 2, 3}


def test_a_second_writer_is_refused_until_the_first_closes(path: Path, opened: IndexWriter) -> None:
    with pytest.raises(IndexLocked, match="another writer holds this index"):
        open_writer(path)
    opened.close()
    opened.close()
    open_writer(path).close()


def test_a_closed_writer_says_so(opened: IndexWriter) -> None:
    opened.close()
    for call in (opened.position, lambda: opened.apply([], 11), lambda: opened.rebuild([], 11)):
        with pytest.raises(WriterUnusable, match="this writer is closed; open another"):
            call()


def test_a_failed_opening_gives_the_lock_back(path: Path) -> None:
    open_writer(path).close()
    (path / "manifest").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(IndexCorrupt, match=f"{path}/manifest: is damaged"):
            open_writer(path)


def test_a_forked_process_may_not_use_the_writer_nor_drop_its_lock(
    path: Path, opened: IndexWriter
) -> None:
    def use_and_close() -> None:
        with pytest.raises(WriterUnusable, match="a forked process must open its own"):
            opened.apply([Delete(1)], 11)
        opened.close()

    child = multiprocessing.get_context("fork").Process(target=use_and_close)
    child.start()
    child.join()
    assert child.exitcode == 0
    with pytest.raises(IndexLocked):
        open_writer(path)
    opened.apply([Delete(1)], 11)
    assert set(contents(path)) == {2}


def test_opening_sweeps_away_what_a_crash_left(path: Path, opened: IndexWriter) -> None:
    opened.close()
    stray = [path / "00000000000000ff.segment", path / "manifest.tmp"]
    for file in stray:
        file.write_bytes(b"half")
    (path / "README").write_text("not ours")
    with open_writer(path) as again:
        assert not any(file.exists() for file in stray)
        assert (path / "README").exists()
        # Its number is not given out again, in case a reader has seen it.
        again.apply([Insert(3, terms(16))], 11)
    assert (path / "0000000000000100.segment").exists()


def test_a_lost_manifest_is_not_taken_for_a_new_index(path: Path, opened: IndexWriter) -> None:
    opened.close()
    (path / "manifest").unlink()
    with pytest.raises(IndexCorrupt, match=f"{path}/manifest: is missing although segments exist"):
        open_writer(path)
    assert list(path.glob("*.segment"))


class TestRebuild:
    """Replacing the whole content."""

    def test_only_the_new_content_remains(self, path: Path, opened: IndexWriter) -> None:
        batches: list[Sequence[Change]] = [
            [Insert(5, terms(16)), Insert(6, terms(16))], [], [Insert(5, terms(32)), Delete(6)],
        ]  # fmt: skip
        opened.rebuild(batches, 20)
        assert opened.position() == 20
        assert contents(path) == {5: frozenset({32})}
        assert len(list(path.glob("*.segment"))) == 1

    def test_it_may_go_back_to_an_earlier_position(self, path: Path, opened: IndexWriter) -> None:
        opened.rebuild([[Insert(5, terms(16))]], 3)
        assert opened.position() == 3
        with pytest.raises(StalePosition):
            opened.rebuild([], -1)
        assert set(contents(path)) == {5}

    def test_nothing_makes_an_empty_index(self, path: Path, opened: IndexWriter) -> None:
        opened.rebuild([], 11)
        assert contents(path) == {}
        assert not list(path.glob("*.segment"))

    def test_readers_see_the_old_content_until_the_end(
        self, path: Path, opened: IndexWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "REBUILD_TERMS", 1)
        seen: set[tuple[int, ...]] = set()

        def batches() -> Iterator[list[Change]]:
            for number in range(100, 140):
                seen.add(tuple(sorted(contents(path))))
                yield [Insert(number, terms(16))]

        opened.rebuild(batches(), 20)
        assert seen == {(1, 2)}
        assert sorted(contents(path)) == list(range(100, 140))

    def test_it_merges_as_it_goes(
        self, path: Path, opened: IndexWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "REBUILD_TERMS", 1)
        most = 0

        def batches() -> Iterator[list[Change]]:
            nonlocal most
            for number in range(1, 100):
                most = max(most, len(list(path.glob("*.segment"))))
                yield [Insert(number, terms(16))]

        opened.rebuild(batches(), 20)
        assert most <= 1 + MAX_SEGMENTS
        assert len(list(path.glob("*.segment"))) <= MAX_SEGMENTS

    def test_a_source_that_fails_changes_nothing(
        self, path: Path, opened: IndexWriter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(writer, "REBUILD_TERMS", 1)
        files = sorted(path.iterdir())

        def batches() -> Iterator[list[Change]]:
            for number in range(1, 20):
                yield [Insert(number, terms(16))]
            raise ConnectionError

        with pytest.raises(ConnectionError):
            opened.rebuild(batches(), 20)
        assert sorted(path.iterdir()) == files
        assert opened.position() == 10
        opened.apply([Delete(1)], 11)
        assert set(contents(path)) == {2}
