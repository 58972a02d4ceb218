"""A commit cut at any call leaves the old state or the new one, on the disk and in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.faults.storage.failing_files import (
    Killed,
    dead_disk_from,
    disk_error_at,
    disk_full_from,
    failing,
    killed_at,
    never,
)
from tests.unit.storage.users import User, named_segments, segment_files, state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.storage.users import State

Operation: TypeAlias = Callable[[User, Any], None]


def apply(user: User, writer: Any) -> None:
    """Commit a batch, after which segments must be merged."""
    user.apply(writer, {3: 30, 50: 50, 4: None}, 20)


def move(user: User, writer: Any) -> None:
    """Commit a position alone."""
    user.apply(writer, {}, 20)


def delete_all(user: User, writer: Any) -> None:
    """Delete every document, after which no segment is left."""
    user.apply(writer, dict.fromkeys(range(1, user.resting + 1)), 20)


def rebuild(user: User, writer: Any) -> None:
    """Rebuild from batches that are merged on the way."""
    user.rebuild(writer, [{id_: id_ + 100} for id_ in range(1, user.resting + 3)], 20)


OPERATIONS = [apply, move, delete_all, rebuild]


@pytest.fixture
def base(user: User, path: Path) -> Path:
    """A folder with as many segments as may rest."""
    with user.open_writer(path) as writer:
        for number in range(1, user.resting + 1):
            user.apply(writer, {number: number}, number)
    assert named_segments(user, path) == user.resting
    return path


def copied(base: Path, number: int) -> Path:
    """Return a copy of a folder."""
    return shutil.copytree(base, base.parent / str(number))


def uncut(user: User, base: Path, operation: Operation) -> tuple[int, State]:
    """Return how many calls an operation makes, and the state that it leads to."""
    path = copied(base, -1)
    with user.open_writer(path) as writer, failing(never) as calls:
        operation(user, writer)
    return calls.count, state(user, path)


def check_reopened(user: User, path: Path, allowed: list[State]) -> None:
    """Open a folder after a failure: it is whole, tidy and in one of the allowed states."""
    assert state(user, path) in allowed
    user.open_writer(path).close()
    assert state(user, path) in allowed
    assert user.verify(path) == []
    assert len(segment_files(user, path)) == named_segments(user, path)
    assert list(path.glob("*.new")) == list(path.glob("*.unlisted")) == []
    assert not (path / "manifest.tmp").exists()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_call(user: User, base: Path, operation: Operation) -> None:
    """The next process finds the old state or the new one, never another."""
    old = state(user, base)
    count, new = uncut(user, base, operation)
    seen = []
    for number in range(count):
        path = copied(base, number)
        writer = user.open_writer(path)
        with failing(killed_at(number)), pytest.raises(Killed):
            operation(user, writer)
        writer.close()
        seen.append(state(user, path))
        check_reopened(user, path, [old, new])
    assert old in seen
    assert seen == sorted(seen, key=[old, new].index)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_one_call_fails(user: User, base: Path, operation: Operation) -> None:
    """A call that fails has changed nothing, and can be repeated with the same writer."""
    old = state(user, base)
    count, new = uncut(user, base, operation)
    failures = 0
    for number in range(count):
        path = copied(base, number)
        with user.open_writer(path) as writer:
            with failing(disk_error_at(number)):
                try:
                    operation(user, writer)
                except OSError:
                    failures += 1
                    assert state(user, path) == old
                    assert writer.position() == old[0]
            if state(user, path) == old:
                operation(user, writer)
            assert state(user, path) == new
            assert writer.position() == new[0]
        check_reopened(user, path, [new])
    assert failures


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fails", [disk_full_from, dead_disk_from])
def test_the_disk_fails_for_good(
    user: User,
    base: Path,
    operation: Operation,
    fails: Callable[[int], Callable[[int, str], OSError | None]],
) -> None:
    """While the disk fails the writer keeps to the old state or reports that it can't be used.

    The next writer can do the work.
    """
    old = state(user, base)
    count, new = uncut(user, base, operation)
    failures = 0
    for number in range(count):
        path = copied(base, number)
        with user.open_writer(path) as writer:
            with failing(fails(number)):
                try:
                    operation(user, writer)
                except OSError:
                    failures += 1
                    allowed = [old, new]
                else:
                    allowed = [new]
            try:
                position = writer.position()
            except user.format.unusable:
                with pytest.raises(user.format.unusable):
                    user.apply(writer, {}, 30)
            else:
                # A call that raised has changed nothing; one that returned is done.
                assert position == allowed[0][0]
                assert state(user, path) == allowed[0]
        check_reopened(user, path, allowed)
        with user.open_writer(path) as writer:
            operation(user, writer)
        assert state(user, path) == new
    assert failures


def test_creation_cut_at_any_call(user: User, path: Path) -> None:
    """A folder whose creation was cut can be created."""
    number = 0
    while True:
        folder = path.with_name(str(number))
        try:
            with failing(killed_at(number)):
                user.open_writer(folder).close()
        except Killed:
            check_reopened(user, folder, [(0, {})])
            number += 1
        else:
            break
    assert number > 5


def test_opening_cut_at_any_call(user: User, base: Path) -> None:
    """An opening that is cut while it sweeps loses nothing."""
    old = state(user, base)
    strays = [f"00000000000000f{number}{user.format.suffix}.new" for number in (0, 1)]
    for name in (*strays, "manifest.tmp"):
        (base / name).write_bytes(b"left by a crash")
    with failing(never) as calls:
        user.open_writer(copied(base, -1)).close()
    for number in range(calls.count):
        path = copied(base, number)
        with failing(killed_at(number)), pytest.raises(Killed):
            user.open_writer(path)
        check_reopened(user, path, [old])


def test_clearing_cut_at_any_call(user: User, base: Path) -> None:
    """A clearing that is cut leaves the damage or an empty folder."""
    [damaged, *_] = segment_files(user, base)
    damaged.unlink()
    number = 0
    while True:
        path = copied(base, number)
        try:
            with failing(killed_at(number)):
                user.open_writer(path, clear_damaged=True).close()
        except Killed:
            try:
                found = state(user, path)
            except user.format.corrupt:
                assert user.verify(path) == [
                    f"{path / damaged.name}: is missing",
                ]
            else:
                assert found == (0, {})
            user.open_writer(path, clear_damaged=True).close()
            check_reopened(user, path, [(0, {})])
            number += 1
        else:
            break
    assert number > 5
