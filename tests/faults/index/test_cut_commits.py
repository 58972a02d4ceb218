"""A commit cut at any call leaves the old state or the new one, on the disk and in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from pipeline.index import (
    Delete,
    IndexWriter,
    Insert,
    WriterUnusable,
    open_reader,
    open_writer,
    verify,
    writer,
)
from pipeline.index.merge_policy import MAX_SEGMENTS
from tests.faults.index.failing_files import (
    Killed,
    dead_disk_from,
    disk_error_at,
    disk_full_from,
    failing,
    killed_at,
    never,
)
from tests.unit.index.model import Documents, contents, terms

if TYPE_CHECKING:
    from pathlib import Path

State: TypeAlias = tuple[int, Documents]
Operation: TypeAlias = Callable[[IndexWriter], None]


def apply(opened: IndexWriter) -> None:
    """Commit a batch, after which segments must be merged."""
    opened.apply([Insert(3, terms(16, 48)), Insert(50, terms(64)), Delete(4)], 20)


def move(opened: IndexWriter) -> None:
    """Commit a position alone."""
    opened.apply([], 20)


def delete_all(opened: IndexWriter) -> None:
    """Delete every document, after which no segment is left."""
    opened.apply([Delete(number) for number in range(1, MAX_SEGMENTS + 1)], 20)


def rebuild(opened: IndexWriter) -> None:
    """Rebuild from batches that are merged as it goes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "REBUILD_TERMS", 1)
        opened.rebuild([[Insert(n, terms(16, 16 * n))] for n in range(1, MAX_SEGMENTS + 3)], 20)


OPERATIONS = [apply, move, delete_all, rebuild]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """An index with as many segments as may rest."""
    path = tmp_path / "base"
    with open_writer(path, merge_in_background=False) as opened:
        for number in range(1, MAX_SEGMENTS + 1):
            opened.apply([Insert(number, terms(16, 16 * number))], number)
    return path


def state(path: Path) -> State:
    """Return position and documents as a reader that comes now sees them."""
    with open_reader(path) as reader:
        return reader.position(), contents(path)


def copied(base: Path, number: int) -> Path:
    """Return a copy of an index."""
    return shutil.copytree(base, base.parent / str(number))


def uncut(base: Path, operation: Operation) -> tuple[int, State]:
    """Return how many calls an operation makes, and what it leads to."""
    path = copied(base, -1)
    with open_writer(path, merge_in_background=False) as opened, failing(never) as calls:
        operation(opened)
    return calls.count, state(path)


def check_reopened(path: Path, allowed: list[State]) -> None:
    """Open an index after a failure: it is whole, tidy and in one of the allowed states."""
    assert state(path) in allowed
    open_writer(path, merge_in_background=False).close()
    assert state(path) in allowed
    assert verify(path) == []
    with open_reader(path) as reader:
        assert len(list(path.glob("*.segment"))) == reader.stats().segments
    assert not (path / "manifest.tmp").exists()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_call(base: Path, operation: Operation) -> None:
    """Whoever opens the index next finds the old state or the new one, never another."""
    old = state(base)
    count, new = uncut(base, operation)
    seen = []
    for number in range(count):
        path = copied(base, number)
        opened = open_writer(path, merge_in_background=False)
        with failing(killed_at(number)), pytest.raises(Killed):
            operation(opened)
        opened.close()
        seen.append(state(path))
        check_reopened(path, [old, new])
    assert old in seen
    assert seen == sorted(seen, key=[old, new].index)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_call_fails(base: Path, operation: Operation) -> None:
    """A call that fails has changed nothing, and can be repeated with the same writer."""
    old = state(base)
    count, new = uncut(base, operation)
    failures = 0
    for number in range(count):
        path = copied(base, number)
        with open_writer(path, merge_in_background=False) as opened:
            with failing(disk_error_at(number)):
                try:
                    operation(opened)
                except OSError:
                    failures += 1
                    assert state(path) == old
                    assert opened.position() == old[0]
            if state(path) == old:
                operation(opened)
            assert state(path) == new
            assert opened.position() == new[0]
        check_reopened(path, [new])
    assert failures


@pytest.mark.parametrize("operation", [apply, move, rebuild])
@pytest.mark.parametrize("fails", [disk_full_from, dead_disk_from])
def test_the_disk_fails_for_good(
    base: Path, operation: Operation, fails: Callable[[int], Callable[[int, str], OSError | None]]
) -> None:
    """While the disk fails the writer keeps to the old state or says that it can't be used."""
    old = state(base)
    count, new = uncut(base, operation)
    for number in range(count):
        path = copied(base, number)
        with open_writer(path, merge_in_background=False) as opened:
            with failing(fails(number)):
                try:
                    operation(opened)
                except OSError:
                    allowed = [old, new]
                else:
                    allowed = [new]
            try:
                position = opened.position()
            except WriterUnusable:
                pass
            else:
                assert position == state(path)[0]
                # What raised has changed nothing; what returned has been done.
                assert state(path) == allowed[0]
        check_reopened(path, allowed)


def test_creation_cut_at_any_call(tmp_path: Path) -> None:
    """A new index whose creation was cut can be created."""
    number = 0
    while True:
        path = tmp_path / str(number)
        try:
            with failing(killed_at(number)):
                open_writer(path, merge_in_background=False).close()
        except Killed:
            assert state(path) == (0, {})
            check_reopened(path, [(0, {})])
            number += 1
        else:
            break
    assert number > 5


def test_opening_cut_at_any_call(base: Path) -> None:
    """An opening that is cut while it sweeps loses nothing."""
    old = state(base)
    for name in ("00000000000000f0.segment", "00000000000000f1.segment", "manifest.tmp"):
        (base / name).write_bytes(b"left by a crash")
    with failing(never) as calls:
        open_writer(copied(base, -1), merge_in_background=False).close()
    for number in range(calls.count):
        path = copied(base, number)
        with failing(killed_at(number)), pytest.raises(Killed):
            open_writer(path, merge_in_background=False)
        check_reopened(path, [old])
