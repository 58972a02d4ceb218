"""What a process opens for itself, although it was forked from one that has opened it already."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself when it first asks for it.

    Connections, locks and threads don't survive a fork, as Celery's pool of processes does one. So
    whatever has any is kept here, and need not know of forks itself.

    Args:
        make: returns the value; called once in each process.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._locks: dict[int, threading.RLock] = {}
        self._made: dict[int, T] = {}

    def get(self) -> T:
        """Return this process's value."""
        pid = os.getpid()
        found = self._made.get(pid)
        if found is None:
            self._make_once(pid)
            found = self._made[pid]
        return found

    def _make_once(self, pid: int) -> None:
        # A fork may copy a lock that a thread of the parent holds, so each process has its own.
        with self._locks.setdefault(pid, threading.RLock()):
            if pid not in self._made:
                # The parent's value stays in the dict: to collect it might end its connections.
                self._made[pid] = self._make()


def stay_on_one_core() -> None:
    """Let the threads that this one starts run on a single core of those it may use.

    Python runs one thread at a time. Where the next one runs on the other core, all that the last
    one touched has to follow it there, which takes longer than the work of a request. Systems
    without such a setting are left as they are.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
