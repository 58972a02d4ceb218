"""Replaces the processes of all roles, one after the other, without refusing a request.

=========  ============================================================================
role       replacement
=========  ============================================================================
front end  both processes share one listening socket; the old one stops when the new one
           is ready
worker     the old one stops when the new one has sent a heartbeat; they have different
           node names
beat,      the old one stops, then the new one starts: two Flowers cannot use one port,
Flower     and a second beat waits for the lock of the first
NATS       the old one stops, then the new one starts: messages wait in the stream
ingest
=========  ============================================================================

A new process is started as a program, so it runs the installed code. After that no process of its
role is forked: it would run the code that the supervisor has loaded.

An old front end stops without its drain time. During that time it would answer some of the health
checks of the shared socket. A load balancer would then send no requests to the new process.
"""

import math
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from signal import Signals
from typing import NamedTuple

from cli.stack.files.installed_code import InstalledCode, installed_code, own_code
from cli.stack.processes.child_process import ChildProcess, ProcessError, spawn
from cli.stack.processes.stopping import (
    WITHOUT_DRAINING,
    Escalation,
    StopOrder,
    stop_processes,
)
from cli.stack.processes.waiting import Pause
from cli.stack.supervision.supervised_process import RoleStarter, SupervisedProcess

READY_TIMEOUT = 600.0
"""Seconds within which a new process must be ready; on a busy machine it takes minutes."""


class OtherProcess(NamedTuple):
    """A process of an unfinished restart: a new one, or an old one that still works."""

    name: str
    child: ChildProcess
    stop_order: StopOrder
    escalation: Escalation


class Watch(NamedTuple):
    """Functions of the supervisor.

    Attributes:
        report: called with a line of text about a result.
        check_others: called while waiting, to keep the other processes running.
        save: called after a process was replaced, to write ``run.json``.
        pause: the function that waits. If it raises an exception, the caller stops the processes
            that `RollingRestart.close` returns.
    """

    report: Callable[[str], None]
    check_others: Callable[[], None]
    save: Callable[[], None]
    pause: Pause

    def wait(self, seconds: float) -> None:
        """Wait for some seconds and keep the other processes running."""
        self.pause(seconds)
        self.check_others()


@dataclass(slots=True)
class RollingRestart:
    """Restarts of all roles of a supervisor.

    Attributes:
        requested: the number of requested restarts.
        completed: the number of completed ones, failed ones included.
        problem: the reason why the last one failed; empty if it succeeded.
        code: the code that all processes run at least.
    """

    requested: int = 0
    completed: int = 0
    problem: str = ""
    code: InstalledCode = field(default_factory=own_code)
    _roles: list[tuple[SupervisedProcess, RoleStarter]] = field(default_factory=list)
    _others: list[OtherProcess] = field(default_factory=list)

    def add(self, process: SupervisedProcess, starter: RoleStarter) -> None:
        """Add a process that a restart replaces, and the object that starts it."""
        self._roles.append((process, starter))

    def request(self) -> None:
        """Request a restart."""
        self.requested += 1

    def is_due(self) -> bool:
        """Return whether a requested restart has not been run."""
        return self.completed < self.requested

    def run(self, watch: Watch) -> None:
        """Replace the process of each role, the front end first.

        If a new process does not start, the old one and those of the other roles stay. One run
        completes all restarts that were requested before it.
        """
        requested, installed = self.requested, installed_code()
        self.problem = ""
        try:
            for process, starter in sorted(self._roles, key=lambda each: each[0].stop_order):
                self._replace(process, starter, watch)
                watch.save()
                watch.report(f"{process.name} was replaced (pid {process.pid()})")
            self.code = installed
        except (ProcessError, OSError) as error:
            self.problem = str(error)
            watch.report(f"{error}; the old process continues to run")
        self.completed = requested

    def close(self) -> list[OtherProcess]:
        """Close the listening sockets; return the other processes of an unfinished restart."""
        for _, starter in self._roles:
            if starter.listener is not None:
                starter.listener.close()
        return self._others

    def _replace(self, process: SupervisedProcess, starter: RoleStarter, watch: Watch) -> None:
        if starter.listener is not None:
            old = self._start_beside(process, starter, watch, self._start_front_end)
            self._stop(process, old, WITHOUT_DRAINING, watch)
        elif starter.role.node is not None:
            old = self._start_beside(process, starter, watch, self._start_worker)
            self._stop(process, old, process.escalation, watch)
        else:
            self._stop_then_start(process, starter, watch)

    def _start_beside(
        self,
        process: SupervisedProcess,
        starter: RoleStarter,
        watch: Watch,
        start: Callable[[SupervisedProcess, RoleStarter, Watch], ChildProcess],
    ) -> ChildProcess | None:
        """Start a process and wait until it is ready; return the old one."""
        role = starter.role
        starter.role = role.renamed()
        try:
            new = start(process, starter, watch)
        except BaseException:
            starter.role = role
            raise
        starter.forks = False  # a fork would run the code that this process loaded at its start
        old = process.child
        process.set_started(new)
        self._others.clear()
        return old

    def _start_front_end(
        self, process: SupervisedProcess, starter: RoleStarter, watch: Watch
    ) -> ChildProcess:
        """Start a front end; return when it writes a line to a pipe."""
        reading, writing = os.pipe()
        try:
            new = starter.spawn(writing)
            self._add_other(process, new, WITHOUT_DRAINING)
            os.close(writing)
            writing = -1
            self._wait_until(lambda: _is_readable(reading), new, watch)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        return new

    def _start_worker(
        self, process: SupervisedProcess, starter: RoleStarter, watch: Watch
    ) -> ChildProcess:
        """Start a worker; return when it has sent a heartbeat, for which a command waits."""
        new = starter.spawn()
        self._add_other(process, new, process.escalation)
        command = [sys.executable, "-m", "cli.main", "ready", "--node", starter.role.node or ""]
        waiting = spawn(command, log=starter.log, env=starter.environ)
        try:
            self._wait_until(lambda: not waiting.runs(), new, watch)
        finally:
            stop_processes([(waiting, ((Signals.SIGKILL, 5.0),))])
        if waiting.poll() != 0:
            self._discard(new, process.escalation)
            raise ProcessError(f"{process.name}: the new process sends no heartbeat: see its log")
        return new

    def _stop_then_start(
        self, process: SupervisedProcess, starter: RoleStarter, watch: Watch
    ) -> None:
        old, process.child = process.child, None
        process.next_start = math.inf  # not by the supervisor while the old process stops
        self._stop(process, old, process.escalation, watch)
        starter.forks = False
        process.next_start = 0.0
        process.set_started(starter.start())

    def _wait_until(self, is_ready: Callable[[], bool], new: ChildProcess, watch: Watch) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while not is_ready():
            if not new.runs():
                self._others.clear()
                raise ProcessError("the new process ended at its start: see its log")
            if time.monotonic() > deadline:
                self._discard(new, ())
                raise ProcessError(f"the new process was not ready within {READY_TIMEOUT:g} s")
            watch.wait(0.05)

    def _discard(self, new: ChildProcess, escalation: Escalation) -> None:
        """Stop a new process that does not replace the old one."""
        stop_processes([(new, (*escalation, (Signals.SIGKILL, 5.0)))])
        self._others.clear()

    def _stop(
        self,
        process: SupervisedProcess,
        old: ChildProcess | None,
        escalation: Escalation,
        watch: Watch,
    ) -> None:
        if old is not None:
            self._add_other(process, old, escalation)
            stop_processes([(old, escalation)], watch.wait)
            self._others.clear()

    def _add_other(
        self, process: SupervisedProcess, child: ChildProcess, escalation: Escalation
    ) -> None:
        self._others.append(OtherProcess(process.name, child, process.stop_order, escalation))


def _is_readable(reading: int) -> bool:
    with suppress(OSError):
        readable, _, _ = select.select([reading], [], [], 0)
        return bool(readable and os.read(reading, 16))
    return False
