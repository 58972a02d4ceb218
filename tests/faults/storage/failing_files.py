"""Puts failures into the calls by which the storage engine touches the disk."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.storage import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS = (
    "create",
    "write_at",
    "sync",
    "close",
    "replace",
    "remove",
    "remove_directory",
    "sync_directory",
)


class Killed(BaseException):
    """Stands for the end of the process; a BaseException, so no handler of errors catches it."""


class FileCalls:
    """Counts the calls, and makes some of them fail.

    Attributes:
        count: calls made so far.
        fails: given the number (from 0) and name of a call, returns what it raises, or None.
    """

    def __init__(self, fails: Callable[[int, str], BaseException | None]) -> None:
        """Make calls fail as `fails` decides; a failing write writes half of its bytes."""
        self.count = 0
        self.fails = fails

    def wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return `call` with failures."""

        def counted(*arguments: Any) -> Any:
            number = self.count
            self.count += 1
            failure = self.fails(number, name)
            if failure is None:
                return call(*arguments)
            if name == "write_at":
                descriptor, data, offset = arguments
                half = memoryview(data).cast("B")
                call(descriptor, half[: len(half) // 2], offset)
            raise failure

        return counted


@contextmanager
def failing(fails: Callable[[int, str], BaseException | None]) -> Iterator[FileCalls]:
    """Make the calls of the storage engine fail as `fails` decides, until the end of the block."""
    calls = FileCalls(fails)
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(files, name, calls.wrap(name, getattr(files, name)))
        yield calls


def never(_number: int, _name: str) -> None:
    """Let every call succeed."""


def killed_at(number: int) -> Callable[[int, str], BaseException | None]:
    """End the process at a call: this one and all that follow fail."""
    return lambda each, _name: Killed() if each >= number else None


def disk_error_at(number: int) -> Callable[[int, str], BaseException | None]:
    """Let one call fail."""
    return lambda each, _name: OSError(errno.EIO, "failing disk") if each == number else None


def disk_full_from(number: int) -> Callable[[int, str], BaseException | None]:
    """Let nothing be written from a call on; deleting and syncing still work."""

    def fails(each: int, name: str) -> BaseException | None:
        if each >= number and name in {"create", "write_at"}:
            return OSError(errno.ENOSPC, "disk full")
        return None

    return fails


def dead_disk_from(number: int) -> Callable[[int, str], BaseException | None]:
    """Let every call from one on fail, while the process lives."""
    return lambda each, _name: OSError(errno.EIO, "dead disk") if each >= number else None
