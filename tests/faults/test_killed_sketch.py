"""The writer of the sketch index is killed at each call to the disk; the next run completes it."""

import os
import shutil
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from pipeline.excerpts.sketch_folders import other_rates, sketch_folder
from pipeline.fingerprint.sketch import sketch_terms
from pipeline.following import copies
from pipeline.following.followers import raise_failure, update_followers
from pipeline.following.problems import WriteProblems
from pipeline.index import verify
from pipeline.lookups.trusted_sketch import TrustedSketch
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.following.written_sketch import WrittenSketch
from tests.faults.storage.failing_files import failing
from tests.support.catalogue.imports import Importer
from tests.support.catalogue.index_conditions import move_in_time
from tests.support.catalogue.synthetic import fingerprint
from tests.support.processes.interruptions import DIED, in_a_child

SEEDS = range(5)
OLD, NEW = 4, 8
STRIDE = 5


def follow(settings: Settings, directory: Path, rate: int, killed_at: int = -1) -> None:
    """Run an index worker's part for the sketch index; kill the process at a call to the disk."""

    def die(number: int, _name: str) -> None:
        if number == killed_at:
            os._exit(DIED)

    databases = Databases(settings)
    sketch, problems = WrittenSketch(directory, rate, databases), WriteProblems()
    with failing(die):
        with sketch.borrow(problems) as indexes:
            update_followers(indexes, databases, failed=raise_failure)
        sketch.remove_replaced()
        sketch.close()
    databases.dispose()
    assert problems.text() == ""


def found(databases: Databases, directory: Path) -> list[list[int]]:
    """Search as a worker with the new rate does."""
    usable = TrustedSketch(directory, NEW, databases).current()
    hits = usable.index.search([sketch_terms(fingerprint(seed), usable.rate) for seed in SEEDS])
    return [each.ids.tolist() for each in hits]


def test_a_change_of_the_rate_goes_on_after_a_kill(
    settings: Settings, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers find all at any time, first with the old rate."""
    monkeypatch.setattr(copies, "BATCH", 3)  # so that the filling has two commits
    importer = Importer(databases, settings.fingerprint_index.path)
    importer.run(*(importer.receipt(fingerprint(seed)) for seed in SEEDS), index=False)
    move_in_time(databases, "-1 hour")
    follow(settings, tmp_path / "old", OLD)
    everything = [[number] for number in range(1, 1 + len(SEEDS))]
    for number in count(step=STRIDE):
        directory = tmp_path / str(number)
        shutil.copytree(tmp_path / "old", directory)
        status = in_a_child(partial(follow, settings, directory, NEW, number))
        assert found(databases, directory) == everything
        if status != DIED:
            break
        follow(settings, directory, NEW)
        assert found(databases, directory) == everything
        assert verify(sketch_folder(directory, NEW)) == []
        assert other_rates(directory, NEW) == []
        shutil.rmtree(directory)
    assert status == 0
    assert number > 20
