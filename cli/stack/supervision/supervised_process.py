"""A process that the supervisor keeps running, and the schedule of its restarts."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.stack.processes import forking
from cli.stack.processes.child_process import ChildProcess, LogPipe, spawn
from cli.stack.processes.programs import find_program
from cli.stack.processes.stopping import KILL, Escalation, StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.roles import Role
from cli.stack.run_state import RunningProcess

MAX_RESTART_DELAY = 4.0
"""Maximum number of seconds between the end of a process and its restart. While Redis refuses
writes, beat ends at every start; it must run again soon after."""

MAX_SERVER_DELAY = 2.0
"""The same for PostgreSQL and Valkey. On a full disk PostgreSQL ends at every start; when there is
space again, all other processes wait for it."""

STABLE_AFTER = 60.0
"""Seconds of running time after which earlier exits no longer count."""


@dataclass
class SupervisedProcess:
    """A process that is restarted when it ends, each time after a longer delay.

    Attributes:
        name: the name of its role or server.
        stop_order: its place in the order in which the processes of a stack are stopped.
        start: starts the process.
        escalation: the signals that stop it.
        port: the port on which it listens; None for no port.
        host: the address on which it listens.
        mark: a path that identifies its processes, see `ProcessIdentity`.
        child: the running process; None while it is down.
        exits: the number of exits since its last stable run.
        started: the time of the start of `child`, on the monotonic clock.
        next_start: the time of the next start, on the monotonic clock.
        escalation_if_moved: the signals that stop it after the data directory was moved.
    """

    name: str
    stop_order: StopOrder
    start: Callable[[], ChildProcess]
    escalation: Escalation
    port: int | None
    host: str
    mark: str
    child: ChildProcess | None = None
    exits: int = 0
    started: float = 0.0
    next_start: float = 0.0
    escalation_if_moved: Escalation = KILL

    def set_started(self, child: ChildProcess) -> None:
        """Store the process that has just been started."""
        self.child = child
        self.started = time.monotonic()

    def schedule_restart(self) -> float:
        """Record the end of the process; return the seconds until its restart."""
        now = time.monotonic()
        self.exits = 1 if now - self.started > STABLE_AFTER else self.exits + 1
        longest = MAX_SERVER_DELAY if self.stop_order is StopOrder.SERVER else MAX_RESTART_DELAY
        delay = min(longest, 0.5 * 2.0 ** (self.exits - 1))
        self.child = None
        self.next_start = now + delay
        return delay

    def pid(self) -> int | None:
        """Return the id of the running process; None while it is down."""
        return self.child.pid if self.child else None

    def as_running(self) -> RunningProcess | None:
        """Return the entry for ``run.json``; None while the process is down."""
        if self.child is None:
            return None
        identity = ProcessIdentity(self.child.pid, self.child.created, self.mark)
        return RunningProcess(self.name, self.stop_order, self.port, self.host, identity)


@dataclass(slots=True)
class RoleStarter:
    """Starts the process of a role: in a fork, or as a program.

    Attributes:
        log: the pipe to the log of the role.
        role: the role.
        environ: the environment of the stack's processes.
        listener: the listening socket that the process serves; None if it opens its own.
        forks: whether `start` forks. Otherwise it runs the code that is installed now.
    """

    log: LogPipe
    role: Role
    environ: Mapping[str, str]
    listener: socket.socket | None = None
    forks: bool = False

    def start(self) -> ChildProcess:
        """Start a process.

        Raises:
            ProcessError: the process cannot be started.
        """
        if not self.forks:
            return self.spawn()
        return forking.fork(
            find_program(self._command()),
            title=f"acoustid: {self.role.name}",
            log=self.log,
            env=self.environ,
            cwd=self._folder(),
            files=self._files(),
        )

    def spawn(self, ready: int | None = None) -> ChildProcess:
        """Start a process as a program.

        Args:
            ready: a file descriptor to which the process writes a line when it is ready.

        Raises:
            ProcessError: the command cannot be run.
        """
        command, files = self._command(), self._files()
        if ready is not None:
            files.append(ready)
            command += ["--ready-fd", str(ready)]
        return spawn(command, log=self.log, env=self.environ, cwd=self._folder(), files=files)

    def _command(self) -> list[str]:
        options = [] if self.listener is None else ["--fd", str(self.listener.fileno())]
        return [*self.role.command, *options]

    def _files(self) -> list[int]:
        return [] if self.listener is None else [self.listener.fileno()]

    def _folder(self) -> Path:
        """Return the working directory. Celery prefers modules in it; this one contains logs."""
        return self.log.path.parent
