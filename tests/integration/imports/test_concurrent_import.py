"""Near copies that several workers import at the same time share one track."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from threading import Barrier

import pytest

from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint, near_copy

THREADS = 5  # as many as the settings' pools have connections
RECORDINGS = 6
COPIES = 5


@pytest.mark.parametrize("batch", [1, 3], ids=["alone", "three a request"])
def test_concurrent_near_copies_create_one_track(
    databases: Databases, index_path: Path, batch: int
) -> None:
    """All threads match before one persists, so no match is another thread's copy."""
    importer = Importer(databases, index_path)
    copies = [
        importer.receipt(near_copy(fingerprint(seed), 100 * seed + copy, 0.045), 200 + seed)
        for copy, seed in product(range(COPIES), range(RECORDINGS))
    ]
    requests = [copies[start : start + batch] for start in range(0, len(copies), batch)]
    barrier = Barrier(THREADS)

    def work(number: int) -> None:
        mine = [importer.receive(request) for request in requests[number::THREADS]]
        batches = [importer.match(ids) for _, ids in mine]
        barrier.wait(timeout=60)
        for each in batches:
            importer.persist(each)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    assert importer.tracks() == RECORDINGS
