"""Values that each process creates after a fork, and the cores that it runs on."""

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process creates at its first use, such as a pool of connections.

    Connections, locks and threads must not be used after a fork, and Celery's prefork pool forks.

    Args:
        make: is called once in each process; returns the value.
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
        # A fork copies locks in their state, so each process has its own lock.
        with self._locks.setdefault(pid, threading.RLock()):
            if pid not in self._made:
                # The parent's value stays in the dict: its deletion could close connections.
                self._made[pid] = self._make()


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def stay_on_one_core() -> None:
    """Run the threads that this thread starts on one of the cores that it may use.

    Python runs one thread at a time. A switch to a thread on another core moves the cached memory
    there, which takes longer than the work of a request. Does nothing on a system without
    `os.sched_setaffinity`.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
