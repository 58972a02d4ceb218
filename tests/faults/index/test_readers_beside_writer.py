"""Readers in other processes see whole commits, whatever the writer is doing."""

from __future__ import annotations

import multiprocessing
import time
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import Change, Insert, open_reader, open_writer
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event
    from pathlib import Path

MARKED = range(1, 31)
COMMITS = 150
READERS = 2
ALWAYS = 2**31
# The writer waits now and then, so that the readers meet many of its commits on any machine.
PACE = 10
# How many versions a reader saw, or the text of what was wrong.
Report = int | str


def marker(version: int) -> int:
    """Return the term that marks the documents of one version."""
    return 16 * version


def changes_at(version: int) -> list[Change]:
    """Give all marked documents a new version, and add a few that stay."""
    staying = [Insert(1000 * version + n, terms(ALWAYS + 16)) for n in range(40)]
    return [*(Insert(n, terms(marker(version), ALWAYS)) for n in MARKED), *staying]


def read(path: Path, seen: Synchronized[int], done: Event, reports: Queue[Report]) -> None:
    """Search until told to stop; every search must see exactly one version, whole."""
    queries = [terms(marker(version)) for version in range(1, COMMITS + 1)] + [terms(ALWAYS)]
    versions: set[int] = set()
    with open_reader(path) as reader:
        while not done.is_set():
            *by_version, always = reader.search(queries, limit=100)
            found = [version for version, hits in enumerate(by_version, 1) if hits.ids.size]
            if not found and not versions:
                continue
            whole = [by_version[version - 1].ids for version in found]
            if not all(np.array_equal(ids, MARKED) for ids in [*whole, always.ids]):
                reports.put(f"versions {found}: not all documents, or some twice")
                done.set()
                return
            if len(found) != 1 or found[0] < seen.value:
                reports.put(f"versions {found} after {seen.value}")
                done.set()
                return
            seen.value = found[0]
            versions.add(found[0])
    reports.put(len(versions))


def commits(path: Path) -> Iterator[int]:
    """Commit version after version, every fortieth by a rebuild."""
    with open_writer(path) as writer:
        for version in range(1, COMMITS + 1):
            if version % 40:
                writer.apply(changes_at(version), version)
            else:
                writer.rebuild([changes_at(version)], version)
            yield version


def wait_for(seen: list[Synchronized[int]], version: int, done: Event) -> None:
    """Wait until every reader has seen a version or a later one, or one has given up."""
    deadline = time.monotonic() + 60
    while min(each.value for each in seen) < version and not done.is_set():
        assert time.monotonic() < deadline, f"no reader has come as far as version {version}"
        time.sleep(0.001)


def test_every_search_sees_one_whole_commit(tmp_path: Path) -> None:
    """No search mixes commits, goes back, or meets a document twice or not at all."""
    path = tmp_path / "index"
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    reports: Queue[Report] = context.Queue()
    seen = [context.Value("i", 0) for _ in range(READERS)]
    readers = [context.Process(target=read, args=(path, each, done, reports)) for each in seen]
    for reader in readers:
        reader.start()
    try:
        for version in commits(path):
            # The first wait shows that they start before there is an index, and find it.
            if version % PACE == 1:
                wait_for(seen, version - PACE + 1 if version > 1 else 1, done)
    finally:
        done.set()
    told = [reports.get(timeout=60) for _ in readers]
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    for report in told:
        assert isinstance(report, int), report
        assert report >= COMMITS // PACE - 1
