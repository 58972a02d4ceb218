"""Readers in other processes see whole commits, whatever the writer is doing."""

from __future__ import annotations

import multiprocessing
from queue import Empty
from typing import TYPE_CHECKING

import numpy as np

from pipeline.index import Change, Insert, open_reader, open_writer
from tests.unit.index.model import terms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event
    from pathlib import Path

MARKED = range(1, 31)
COMMITS = 150
READERS = 2
ALWAYS = 2**31
# A report is (versions seen, segment counts seen) or the text of what was wrong.
Report = tuple[int, int] | str


def marker(version: int) -> int:
    """Return the term that marks the documents of one version."""
    return 16 * version


def changes_at(version: int) -> list[Change]:
    """Give all marked documents a new version, and add a few that stay."""
    staying = [Insert(1000 * version + n, terms(ALWAYS + 16)) for n in range(40)]
    return [*(Insert(n, terms(marker(version), ALWAYS)) for n in MARKED), *staying]


def read(path: Path, ready: Event, done: Event, reports: Queue[Report]) -> None:
    """Search until told to stop; every search must see exactly one version, whole."""
    queries = [terms(marker(version)) for version in range(1, COMMITS + 1)] + [terms(ALWAYS)]
    versions, segments, last = set(), set(), 0
    with open_reader(path) as reader:
        while not done.is_set():
            *by_version, always = reader.search(queries, limit=100)
            seen = [number for number, hits in enumerate(by_version, 1) if hits.ids.size]
            if not seen:
                continue
            whole = by_version[seen[0] - 1].ids
            if len(seen) != 1 or seen[0] < last or not np.array_equal(whole, MARKED):
                reports.put(f"versions {seen} after {last}, documents {whole.tolist()}")
                return
            if not np.array_equal(always.ids, MARKED):
                reports.put(f"version {seen}: found {always.ids.tolist()}")
                return
            last = seen[0]
            versions.add(last)
            segments.add(reader.stats().segments)
            ready.set()
    reports.put((len(versions), len(segments)))


def commits(path: Path) -> Iterator[int]:
    """Commit version after version, every fortieth by a rebuild."""
    with open_writer(path) as writer:
        for version in range(1, COMMITS + 1):
            if version % 40:
                writer.apply(changes_at(version), version)
            else:
                writer.rebuild([changes_at(version)], version)
            yield version


def test_every_search_sees_one_whole_commit(tmp_path: Path) -> None:
    """No search mixes commits, goes back, or meets a document twice or not at all."""
    path = tmp_path / "index"
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    reports: Queue[Report] = context.Queue()
    ready = [context.Event() for _ in range(READERS)]
    readers = [context.Process(target=read, args=(path, each, done, reports)) for each in ready]
    for reader in readers:
        reader.start()
    try:
        for version in commits(path):
            if version == 1:
                # They start before there is an index, and find it.
                assert all(each.wait(60) for each in ready)
    finally:
        done.set()
    told = []
    for _ in readers:
        try:
            told.append(reports.get(timeout=60))
        except Empty:
            told.append("nothing")
    for reader in readers:
        reader.join()
        assert reader.exitcode == 0
    for report in told:
        assert isinstance(report, tuple), report
        versions, segments = report
        assert versions > 10
        assert segments > 2
