"""A commit of the store cut at any call leaves the old state or the new one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from pipeline.fingerprint_store import (
    StoreUnusable,
    StoreWriter,
    merge,
    open_store,
    open_store_writer,
    verify_store,
)
from tests.faults.index.failing_files import (
    Killed,
    dead_disk_from,
    disk_error_at,
    disk_full_from,
    failing,
    killed_at,
    never,
)
from tests.unit.fingerprint_store.model import Model, contents, row

State: TypeAlias = tuple[tuple[int, int], Model]
Operation: TypeAlias = Callable[[StoreWriter], None]


def apply(opened: StoreWriter) -> None:
    """Commit a batch, after which segments must be merged."""
    opened.apply({3: row(30), 50: row(50), 4: None}, 20, 20_000)


def delete_all(opened: StoreWriter) -> None:
    """Delete every fingerprint, after which no segment is left."""
    opened.apply(dict.fromkeys(range(1, merge.FAN_IN)), 20, 20_000)


def rebuild(opened: StoreWriter) -> None:
    """Rebuild from batches that are merged as it goes."""
    batches = [{number: row(number + 100)} for number in range(1, merge.FAN_IN + 3)]
    opened.rebuild(batches, 20, 20_000)


OPERATIONS = [apply, delete_all, rebuild]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A store with as many small segments as may rest."""
    path = tmp_path / "base"
    with open_store_writer(path) as opened:
        for number in range(1, merge.FAN_IN):
            opened.apply({number: row(number)}, number, number * 1000)
    return path


def state(path: Path) -> State:
    return open_store(path).reached(), contents(path)


def copied(base: Path, number: int) -> Path:
    return shutil.copytree(base, base.parent / str(number))


def uncut(base: Path, operation: Operation) -> tuple[int, State]:
    """Return how many calls an operation makes, and what it leads to."""
    path = copied(base, -1)
    with open_store_writer(path) as opened, failing(never) as calls:
        operation(opened)
    return calls.count, state(path)


def check_reopened(path: Path, allowed: list[State]) -> None:
    """Open a store after a failure: it is whole, tidy and in one of the allowed states."""
    assert state(path) in allowed
    open_store_writer(path).close()
    assert state(path) in allowed
    assert verify_store(path) == []
    assert len(list(path.glob("*.fingerprints"))) == open_store(path).stats().segments
    assert not (path / "manifest.tmp").exists()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_call(base: Path, operation: Operation) -> None:
    """Whoever opens the store next finds the old state or the new one, never another."""
    old = state(base)
    count, new = uncut(base, operation)
    seen = []
    for number in range(count):
        path = copied(base, number)
        opened = open_store_writer(path)
        with failing(killed_at(number)), pytest.raises(Killed):
            operation(opened)
        opened.close()
        seen.append(state(path))
        check_reopened(path, [old, new])
    assert old in seen
    assert seen == sorted(seen, key=[old, new].index)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fails", [disk_error_at, disk_full_from, dead_disk_from])
def test_the_disk_fails(
    base: Path, operation: Operation, fails: Callable[[int], Callable[[int, str], OSError | None]]
) -> None:
    """A commit that fails shuts its writer; the next one can do the work."""
    old = state(base)
    count, new = uncut(base, operation)
    failures = 0
    for number in range(count):
        path = copied(base, number)
        with open_store_writer(path) as opened, failing(fails(number)):
            try:
                operation(opened)
            except OSError:
                failures += 1
                with pytest.raises(StoreUnusable):
                    opened.apply({}, 30, 30_000)
        check_reopened(path, [old, new])
        with open_store_writer(path) as opened:
            operation(opened)
        assert state(path) == new
    assert failures


def test_creation_cut_at_any_call(tmp_path: Path) -> None:
    """A new store whose creation was cut can be created."""
    number = 0
    while True:
        path = tmp_path / str(number)
        try:
            with failing(killed_at(number)):
                open_store_writer(path).close()
        except Killed:
            check_reopened(path, [((0, 0), {})])
            number += 1
        else:
            break
    assert number > 5
