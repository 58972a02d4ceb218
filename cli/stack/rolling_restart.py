"""Replaces a process without downtime: the old and the new one share a listening socket."""

import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from signal import Signals

from cli.stack.data_directory import DataDir
from cli.stack.processes import Child, Pause, ProcessError, spawn
from cli.stack.roles import BRIEF, Role
from cli.stack.stopping import end_together
from cli.stack.supervised_process import Charge

PATIENCE = 60.0
"""Seconds in which the new process must be ready."""


@dataclass(frozen=True, slots=True)
class RoleStarter:
    """Starts the process of a role.

    Attributes:
        listener: the socket that it serves, None where the role has none.
    """

    data: DataDir
    role: Role
    environ: Mapping[str, str]
    listener: socket.socket | None = None

    def start(self, ready: int | None = None) -> Child:
        """Start a process.

        Args:
            ready: an open file that it writes a line to once it is ready.

        Raises:
            ProcessError: the command cannot be run.
        """
        command = list(self.role.command)
        files = []
        if self.listener is not None:
            files.append(self.listener.fileno())
            command += ["--fd", str(self.listener.fileno())]
        if ready is not None:
            files.append(ready)
            command += ["--ready-fd", str(ready)]
        self.data.set_aside_log(self.role.name)
        environ = {**self.environ, **self.role.environ}
        return spawn(command, log=self.data.log(self.role.name), env=environ, files=files)


@dataclass(slots=True)
class Restarts:
    """Restarts of the process with a listener, one after the other.

    Attributes:
        wanted: how many were asked for.
        done: how many have ended, in whatever way.
        problem: why the last one failed, empty where it did not.
    """

    wanted: int = 0
    done: int = 0
    problem: str = ""
    _charge: Charge | None = None
    _starter: RoleStarter | None = None
    _leaving: list[tuple[str, Child]] = field(default_factory=list)

    def follow(self, charge: Charge, starter: RoleStarter) -> None:
        """Learn which process is to be replaced, and how it is started."""
        self._charge, self._starter = charge, starter

    def is_wanted(self) -> bool:
        """Tell whether a restart is to be run."""
        return self.done < self.wanted and self._charge is not None

    def run(self, report: Callable[[str], None], tend: Callable[[], None], pause: Pause) -> None:
        """Start a new process, wait until it is ready, then end the old one.

        One run completes all restarts that were requested so far.

        Args:
            report: told what became of it.
            tend: looks after the other processes meanwhile.
            pause: waits; may raise to give up, the processes are then ended by `close`'s caller.
        """
        if self._charge is None or self._starter is None:
            return
        wanted = self.wanted
        try:
            old, new = self._start_new(self._charge, self._starter, tend, pause)
        except (ProcessError, OSError) as error:
            self.problem = str(error)
            report(f"{error}; the old process goes on")
        else:
            report(f"{self._charge.name} is replaced (pid {new.pid})")
            if old is not None:
                self._end(self._charge.name, old, tend, pause)
            self.problem = ""
        self.done = wanted

    def close(self) -> list[tuple[str, Child]]:
        """Close the listening socket; return the processes of an unfinished restart."""
        if self._starter is not None and self._starter.listener is not None:
            self._starter.listener.close()
        return self._leaving

    def _start_new(
        self, charge: Charge, starter: RoleStarter, tend: Callable[[], None], pause: Pause
    ) -> tuple[Child | None, Child]:
        """Return the old process and the new one, which serves."""
        reading, writing = os.pipe()
        try:
            new = starter.start(writing)
            self._leaving.append((charge.name, new))
            os.close(writing)
            writing = -1
            self._wait(new, reading, tend, pause)
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)
        self._leaving.remove((charge.name, new))
        old = charge.child
        charge.adopt(new)
        return old, new

    def _wait(self, new: Child, reading: int, tend: Callable[[], None], pause: Pause) -> None:
        deadline = time.monotonic() + PATIENCE
        while not _is_ready(reading):
            if not new.runs():
                self._leaving.clear()
                raise ProcessError("the new process ended at its start: see its log")
            if time.monotonic() > deadline:
                end_together([(new, ((Signals.SIGKILL, 5.0),))])
                self._leaving.clear()
                raise ProcessError(f"the new process was not ready within {PATIENCE:g} s")
            pause(0.05)
            tend()

    def _end(self, name: str, old: Child, tend: Callable[[], None], pause: Pause) -> None:
        def pause_and_tend(seconds: float) -> None:
            pause(seconds)
            tend()

        self._leaving.append((name, old))
        end_together([(old, BRIEF)], pause_and_tend)
        self._leaving.remove((name, old))


def _is_ready(reading: int) -> bool:
    with suppress(OSError):
        readable, _, _ = select.select([reading], [], [], 0)
        return bool(readable and os.read(reading, 16))
    return False
