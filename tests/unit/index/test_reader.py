"""Readers follow the manifest."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from pipeline.index import (
    Delete,
    IndexCorrupt,
    IndexStats,
    Insert,
    manifest,
    open_reader,
    open_writer,
    snapshot,
)
from tests.unit.index.model import pairs, terms

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.index import FingerprintIndex


def test_where_nothing_is_yet_a_reader_is_empty_until_it_appears(path: Path) -> None:
    with open_reader(path) as reader:
        assert reader.position() == 0
        assert reader.stats() == IndexStats(position=0, documents=0, segments=0, bytes=0)
        assert [pairs(hits) for hits in reader.search([terms(16)])] == [[]]
        with open_writer(path) as writer:
            writer.apply([Insert(1, terms(16))], 4)
        assert [pairs(hits) for hits in reader.search([terms(16)])] == [[(1, 1)]]
        assert reader.position() == 4


def test_refresh_tells_whether_there_was_a_new_state(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        assert not reader.refresh()
        writer.apply([], 1)
        assert reader.refresh()
        assert not reader.refresh()


def test_a_reader_is_a_fingerprint_index(path: Path) -> None:
    index: FingerprintIndex = open_reader(path)
    assert index.position() == 0


def test_stats_count_what_a_search_can_find(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(n, terms(16)) for n in range(1, 11)], 1)
        writer.apply([Delete(1), Insert(2, terms(32)), Insert(11, terms())], 2)
        writer.apply([Insert(1, terms(16)), Delete(11), Delete(3)], 3)
        stats = reader.stats()
        on_disk = sum(file.stat().st_size for file in path.glob("*.segment"))
    assert stats == IndexStats(3, 9, 3, on_disk, min_document_id=1, max_document_id=10)


def test_an_index_that_is_deleted_and_made_again_is_followed(path: Path) -> None:
    with open_reader(path) as reader:
        for document in (1, 2):
            with open_writer(path) as writer:
                writer.apply([Insert(document, terms(16))], 1)
            [hits] = reader.search([terms(16)])
            assert hits.ids.tolist() == [document]
            shutil.rmtree(path)
            assert reader.position() == 0


def test_a_mapped_segment_outlives_its_file(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(1, terms(16))], 1)
        reader.refresh()
        old = reader._snapshot.segments
        writer.rebuild([[Insert(2, terms(16))]], 2)
        assert not old.segments[0].path.exists()
        assert old.segments[0].documents.tolist() == [1]


def test_segments_that_stay_are_not_mapped_again(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(1, terms(16))], 1)
        reader.refresh()
        [before] = reader._snapshot.segments.segments
        writer.apply([Insert(2, terms(16))], 2)
        reader.refresh()
        assert reader._snapshot.segments.segments[0] is before


def test_a_segment_gone_since_the_manifest_was_read_is_no_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(1, terms(16))], 1)

        def overtaken(data: bytes, name: Path) -> manifest.Manifest:
            monkeypatch.undo()
            writer.rebuild([[Insert(2, terms(16))]], 2)
            return manifest.decode(data, name)

        monkeypatch.setattr(snapshot, "decode", overtaken)
        [hits] = reader.search([terms(16)])
        assert hits.ids.tolist() == [2]


def test_a_segment_gone_for_good_is_named(path: Path) -> None:
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(16))], 1)
    [segment] = path.glob("*.segment")
    segment.unlink()
    with pytest.raises(IndexCorrupt, match=f"{segment}: is missing"):
        open_reader(path)
    with pytest.raises(IndexCorrupt, match=f"{segment}: is missing"):
        open_writer(path)


def test_a_lost_manifest_is_not_taken_for_an_empty_index(path: Path) -> None:
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(16))], 1)
    (path / "manifest").unlink()
    with pytest.raises(IndexCorrupt, match="manifest: is missing although segments exist"):
        open_reader(path)


def test_a_closed_reader_opens_again_when_asked(path: Path) -> None:
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(16))], 5)
    reader = open_reader(path)
    reader.close()
    assert reader.position() == 5
    reader.close()


def test_threads_share_a_reader(path: Path) -> None:
    failures: list[object] = []
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(1, terms(16))], 1)
        done = threading.Event()

        def search() -> None:
            last = 0
            while not done.is_set():
                position = reader.position()
                [hits] = reader.search([terms(16)])
                if hits.ids.tolist() != [1] or position < last:
                    failures.append((position, last, hits.ids.tolist()))
                last = position

        threads = [threading.Thread(target=search) for _ in range(4)]
        for thread in threads:
            thread.start()
        for position in range(2, 60):
            writer.apply([Insert(1, terms(16, 16 * position))], position)
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
