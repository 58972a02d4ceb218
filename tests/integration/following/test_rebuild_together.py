"""Copies that are rebuilt together fail together, without waiting for each other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from pipeline.catalog.fingerprint.changelog import LoggedFingerprint
from pipeline.fingerprint_store import open_store_writer
from pipeline.following import rebuild_together as module
from pipeline.following.rebuild_together import rebuild_together
from pipeline.following.store_copy import StoreCopy
from pipeline.runtime.databases import Databases
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.synthetic import fingerprint


class FailingCopy(StoreCopy):
    """A copy whose disk is full after the first batch."""

    def rebuild(
        self, batches: Iterable[Sequence[LoggedFingerprint]], position: int, stamp: int
    ) -> None:
        """Fail."""
        del position, stamp
        next(iter(batches))
        raise OSError("the disk is full")


@pytest.fixture
def filled(databases: Databases, index_path: Path, monkeypatch: pytest.MonkeyPatch) -> Databases:
    importer = Importer(databases, index_path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in range(1, 7)), index=False)
    monkeypatch.setattr(module, "BATCH", 1)
    return databases


def test_all_copies_get_all_fingerprints(filled: Databases, tmp_path: Path) -> None:
    counts: list[int] = []
    with open_store_writer(tmp_path / "a") as first, open_store_writer(tmp_path / "b") as second:
        copies = [StoreCopy(first), StoreCopy(second)]
        rebuild_together(copies, filled, counts.append)
        assert copies[0].position() == copies[1].position() > 0
    assert sum(counts) == 6


@pytest.mark.parametrize("place", [0, 1])
def test_the_error_of_one_copy_ends_all(filled: Databases, tmp_path: Path, place: int) -> None:
    with open_store_writer(tmp_path / "a") as first, open_store_writer(tmp_path / "b") as second:
        copies = [StoreCopy(first), StoreCopy(second)]
        copies[place] = FailingCopy(first if place == 0 else second)
        with pytest.raises(OSError, match="the disk is full"):
            rebuild_together(copies, filled, lambda _: None)
        assert copies[1 - place].position() == 0
