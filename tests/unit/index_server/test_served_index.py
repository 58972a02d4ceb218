"""Searches of a served index use a state with every acknowledged update."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index_server.damaged_indexes import DamagedIndexes
from index_server.errors import IndexDamagedError
from index_server.prometheus_metrics import IndexServerMetrics
from index_server.served_index import REFRESH_EVERY, SearchRequest, ServedIndex
from index_server.update_batching import UpdateRequest
from pipeline.index import Insert
from pipeline.storage.format import MANIFEST_NAME

THREADS = 4
UPDATES = 12


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ServedIndex]:
    """An empty index in the folder `a`."""
    index = ServedIndex("a", 1, tmp_path / "a", IndexServerMetrics(), DamagedIndexes())
    yield index
    index.close()


def insert(index: ServedIndex, document: int) -> None:
    index.update(UpdateRequest([Insert(document, np.array([document], dtype=np.uint32))]))


def found(index: ServedIndex, document: int) -> list[int]:
    hits = index.search(SearchRequest(np.array([document], dtype=np.uint32)))
    return [int(each) for each in hits.ids]


def test_a_search_after_an_update_finds_it_while_others_update(index: ServedIndex) -> None:
    def use(thread: int) -> list[list[int]]:
        seen = []
        for document in range(thread * UPDATES + 1, (thread + 1) * UPDATES + 1):
            assert found(index, document) == []
            insert(index, document)
            seen.append(found(index, document))
        return seen

    with ThreadPoolExecutor(THREADS) as threads:
        seen = [each for part in threads.map(use, range(THREADS)) for each in part]
    assert seen == [[document] for document in range(1, THREADS * UPDATES + 1)]


def test_a_lost_manifest_is_noticed_without_an_update(index: ServedIndex, tmp_path: Path) -> None:
    insert(index, 5)
    assert found(index, 5) == [5]
    (tmp_path / "a" / MANIFEST_NAME).rename(tmp_path / "manifest")
    time.sleep(2 * REFRESH_EVERY)
    with pytest.raises(IndexDamagedError):
        found(index, 5)
    (tmp_path / "manifest").rename(tmp_path / "a" / MANIFEST_NAME)
    assert found(index, 5) == [5]
