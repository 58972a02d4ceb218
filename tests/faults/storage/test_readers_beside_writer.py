"""Readers in other processes see whole commits, whatever the writer is doing."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from tests.support.polling import eventually
from tests.unit.storage.users import USERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Event
    from pathlib import Path

    from tests.unit.storage.users import User

MARKED = range(1, 31)
COMMITS = 150
READERS = 2
# The writer waits now and then, so that the readers meet many of its commits on any machine.
PACE = 10
# How many versions a reader saw, or a description of the error.
Report = int | str


def numbers_at(version: int) -> dict[int, int | None]:
    """Give all marked documents a new version, and add a few that stay."""
    staying = {1000 * version + number: 10**6 + number for number in range(40)}
    return {**dict.fromkeys(MARKED, version), **staying}


def read(
    noun: str, path: Path, seen: Synchronized[int], done: Event, reports: Queue[Report]
) -> None:
    """Read until told to stop; every call must see exactly one version, whole."""
    [user] = [each for each in USERS if each.format.noun == noun]
    versions: set[int] = set()
    reader = user.open_reader(path)
    while not done.is_set():
        by_version = user.holding(reader, range(1, COMMITS + 1))
        found = [version for version, ids in enumerate(by_version, 1) if ids]
        if not found and not versions:
            continue
        if not all(by_version[version - 1] == set(MARKED) for version in found):
            reports.put(f"versions {found}: not all documents")
            done.set()
            return
        if len(found) != 1 or found[0] < seen.value:
            reports.put(f"versions {found} after {seen.value}")
            done.set()
            return
        seen.value = found[0]
        versions.add(found[0])
    reader.close()
    reports.put(len(versions))


def commits(user: User, path: Path) -> Iterator[int]:
    """Commit version after version, every fortieth by a rebuild."""
    with user.open_background_writer(path) as writer:
        for version in range(1, COMMITS + 1):
            if version % 40:
                user.apply(writer, numbers_at(version), version)
            else:
                user.rebuild(writer, [numbers_at(version)], version)
            yield version


def wait_for(seen: list[Synchronized[int]], version: int, done: Event) -> None:
    """Wait until every reader has seen a version or a later one, or one has failed."""
    eventually(lambda: done.is_set() or min(each.value for each in seen) >= version)


def test_every_call_sees_one_whole_commit(user: User, path: Path) -> None:
    """No call mixes commits, goes back, or misses a document."""
    context = multiprocessing.get_context("spawn")
    done = context.Event()
    reports: Queue[Report] = context.Queue()
    seen = [context.Value("i", 0) for _ in range(READERS)]
    noun = user.format.noun
    readers = [
        context.Process(target=read, args=(noun, path, each, done, reports)) for each in seen
    ]
    for reader in readers:
        reader.start()
    try:
        for version in commits(user, path):
            # The first wait shows that they start before the folder exists, and find it.
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
