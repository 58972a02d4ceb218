"""Faults of disks: full and read-only file systems of the index, the store and the servers."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from subprocess import CalledProcessError
from typing import Final

from tests.faults.torture.faults.kind import FaultKind
from tests.faults.torture.stack import small_disks
from tests.faults.torture.stack.torture_stack import TortureStack

ATTEMPTS: Final = 100
PAUSE: Final = 0.05


@contextmanager
def _full(disk: str, stack: TortureStack, _random: Random) -> Iterator[str]:
    with small_disks.filled(stack.disk(disk)):
        yield f"the disk of {disk} is full"


@contextmanager
def _read_only(disk: str, stack: TortureStack, _random: Random) -> Iterator[str]:
    attempts = ExitStack()
    with attempts:
        is_read_only = any(_try(attempts, stack.disk(disk)) for _ in range(ATTEMPTS))
        state = "is read-only" if is_read_only else "stayed writable: a file is open for writing"
        yield f"the disk of {disk} {state}"


def _try(attempts: ExitStack, folder: Path) -> bool:
    """Make a file system read-only; the kernel refuses while a file is open for writing."""
    try:
        attempts.enter_context(small_disks.read_only(folder))
    except CalledProcessError:
        time.sleep(PAUSE)
        return False
    return True


def _problem(stack: TortureStack) -> str | None:
    return None if stack.has_disks else small_disks.problem() or "the stack has no small disks"


def _kinds() -> Iterator[FaultKind]:
    for disk in small_disks.SIZES:
        yield FaultKind(
            f"full disk of {disk}", "disks", partial(_full, disk), (3.0, 15.0), problem=_problem
        )
    for disk in ("index", "store"):
        yield FaultKind(
            f"read-only disk of {disk}",
            "disks",
            partial(_read_only, disk),
            (3.0, 15.0),
            problem=_problem,
        )


KINDS: Final = tuple(_kinds())
