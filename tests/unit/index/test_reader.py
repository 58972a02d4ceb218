"""What an index's reader returns; `tests/unit/storage` tests how it follows commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.index import (
    Delete,
    IndexStats,
    Insert,
    open_reader,
    open_writer,
)
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.index import FingerprintIndex


def test_refresh_tells_whether_there_was_a_new_state(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        assert not reader.refresh()
        writer.apply([], 1)
        assert reader.refresh()
        assert not reader.refresh()


def test_a_search_without_refresh_uses_the_state_that_was_read_last(path: Path) -> None:
    with open_writer(path) as writer, open_reader(path) as reader:
        writer.apply([Insert(5, terms(16))], 1)
        (before,) = reader.search([terms(16)], refresh=False)
        reader.refresh()
        (after,) = reader.search([terms(16)], refresh=False)
    assert (before.ids.tolist(), after.ids.tolist()) == ([], [5])


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
