"""Replaces the front end without downtime: both processes share one listening socket.

The new process is started as a program, so it runs the installed code. After that no process of the
front end is forked: it would run the code that the supervisor has loaded.

The old process stops without its drain time. During that time it would answer some of the health
checks of the shared socket. A load balancer would then send no requests to the new process.
"""

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from signal import Signals

from cli.stack.processes.child_process import ChildProcess, ProcessError
from cli.stack.processes.stopping import WITHOUT_DRAINING, stop_processes
from cli.stack.processes.waiting import Pause
from cli.stack.supervision.supervised_process import RoleStarter, SupervisedProcess

READY_TIMEOUT = 600.0
"""Seconds within which the new process must be ready; on a busy machine it takes minutes."""


@dataclass(slots=True)
class RollingRestart:
    """Restarts of the process that serves a listening socket of the supervisor.

    Attributes:
        requested: the number of requested restarts.
        completed: the number of completed ones, failed ones included.
        problem: the reason why the last one failed; empty if it succeeded.
    """

    requested: int = 0
    completed: int = 0
    problem: str = ""
    _process: SupervisedProcess | None = None
    _starter: RoleStarter | None = None
    # A new process that is not ready yet, or an old one that still answers requests.
    _others: list[tuple[str, ChildProcess]] = field(default_factory=list)

    def set_process(self, process: SupervisedProcess, starter: RoleStarter) -> None:
        """Set the process that a restart replaces, and the object that starts it."""
        self._process, self._starter = process, starter

    def request(self) -> None:
        """Request a restart."""
        self.requested += 1

    def is_due(self) -> bool:
        """Return whether a requested restart has not been run."""
        return self.completed < self.requested and self._process is not None

    def run(
        self, report: Callable[[str], None], check_others: Callable[[], None], pause: Pause
    ) -> None:
        """Start a new process, wait until it is ready, then stop the old one.

        One run completes all restarts that were requested before it.

        Args:
            report: called with a line of text about the result.
            check_others: called while waiting, to keep the other processes running.
            pause: the function that waits. If it raises an exception, the caller stops the
                processes that `close` returns.
        """
        if self._process is None or self._starter is None:
            return
        requested = self.requested
        try:
            old, new = self._start_new(self._process, self._starter, check_others, pause)
        except (ProcessError, OSError) as error:
            self.problem = str(error)
            report(f"{error}; the old process continues to run")
        else:
            report(f"{self._process.name} was replaced (pid {new.pid})")
            if old is not None:
                self._stop(self._process.name, old, check_others, pause)
            self.problem = ""
        self.completed = requested

    def close(self) -> list[tuple[str, ChildProcess]]:
        """Close the listening socket; return the other processes of an unfinished restart."""
        if self._starter is not None and self._starter.listener is not None:
            self._starter.listener.close()
        return self._others

    def _start_new(
        self,
        process: SupervisedProcess,
        starter: RoleStarter,
        check_others: Callable[[], None],
        pause: Pause,
    ) -> tuple[ChildProcess | None, ChildProcess]:
        """Start a process and wait until it is ready; return the old one and the new one."""
        reading, writing = os.pipe()
        try:
            new = starter.spawn(writing)
            self._others.append((process.name, new))
            os.close(writing)
            writing = -1
            self._wait_until_ready(new, reading, check_others, pause)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        self._others.remove((process.name, new))
        starter.forks = False  # a fork would run the code that this process loaded at its start
        old = process.child
        process.set_started(new)
        return old, new

    def _wait_until_ready(
        self, new: ChildProcess, reading: int, check_others: Callable[[], None], pause: Pause
    ) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while not _is_ready(reading):
            if not new.runs():
                self._others.clear()
                raise ProcessError("the new process ended at its start: see its log")
            if time.monotonic() > deadline:
                stop_processes([(new, ((Signals.SIGKILL, 5.0),))])
                self._others.clear()
                raise ProcessError(f"the new process was not ready within {READY_TIMEOUT:g} s")
            pause(0.05)
            check_others()

    def _stop(
        self, name: str, old: ChildProcess, check_others: Callable[[], None], pause: Pause
    ) -> None:
        def pause_and_check(seconds: float) -> None:
            pause(seconds)
            check_others()

        self._others.append((name, old))
        stop_processes([(old, WITHOUT_DRAINING)], pause_and_check)
        self._others.remove((name, old))


def _is_ready(reading: int) -> bool:
    with suppress(OSError):
        readable, _, _ = select.select([reading], [], [], 0)
        return bool(readable and os.read(reading, 16))
    return False
