"""Rules of the index's writer; `tests/unit/storage` has those that all users share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.index import (
    Delete,
    Insert,
    StalePosition,
    open_writer,
)
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.storage.manifest import read_manifest
from tests.unit.index.model import contents, terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.index import IndexWriter


@pytest.fixture
def opened(path: Path) -> Iterator[IndexWriter]:
    """A writer of an index with documents 1 and 2 at position 10."""
    with open_writer(path) as writer:
        writer.apply([Insert(1, terms(16)), Insert(2, terms(32))], 10)
        yield writer


def test_a_position_before_the_current_one_is_refused(path: Path, opened: IndexWriter) -> None:
    with pytest.raises(StalePosition, match="position 9 is below that of the index, 10") as caught:
        opened.apply([Delete(1)], 9)
    assert (caught.value.position, caught.value.current) == (9, 10)
    assert set(contents(path)) == {1, 2}


def test_nothing_at_the_current_position_is_no_commit(path: Path, opened: IndexWriter) -> None:
    before = read_manifest(INDEX_FORMAT, path)
    opened.apply([], 10)
    assert read_manifest(INDEX_FORMAT, path) == before


def test_a_malformed_change_changes_nothing(path: Path, opened: IndexWriter) -> None:
    with pytest.raises(ValueError, match="document id 0"):
        opened.apply([Insert(3, terms(16)), Insert(0, terms(16))], 11)
    assert opened.position() == 10
    assert set(contents(path)) == {1, 2}
    opened.apply([Insert(3, terms(16))], 11)
    assert set(contents(path)) == {1, 2, 3}


def test_a_rebuild_may_go_back_to_an_earlier_position(path: Path, opened: IndexWriter) -> None:
    opened.rebuild([[Insert(5, terms(16))]], 3)
    assert opened.position() == 3
    with pytest.raises(StalePosition):
        opened.rebuild([], -1)
    assert set(contents(path)) == {5}
