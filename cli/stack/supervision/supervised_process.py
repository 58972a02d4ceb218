"""A process that the supervisor keeps running, and the schedule of its restarts."""

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli.stack.processes import forking
from cli.stack.processes.child_process import ChildProcess, LogPipe, spawn
from cli.stack.processes.programs import find_program
from cli.stack.processes.stopping import KILL, Escalation, StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.roles import Role
from cli.stack.run_state import RunningProcess

MAX_RESTART_DELAY = 30.0
"""Maximum number of seconds between the end of a process and its restart."""

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
        delay = min(MAX_RESTART_DELAY, 0.5 * 2.0 ** (self.exits - 1))
        self.child = None
        self.next_start = now + delay
        return delay

    def as_running(self) -> RunningProcess | None:
        """Return the entry for ``run.json``; None while the process is down."""
        if self.child is None:
            return None
        identity = ProcessIdentity(self.child.pid, self.child.created, self.mark)
        return RunningProcess(self.name, self.stop_order, self.port, self.host, identity)


@dataclass(frozen=True, slots=True)
class RoleStarter:
    """Starts the process of a role.

    Attributes:
        log: the pipe to the log of the role.
        role: the role.
        environ: the environment of the stack's processes.
        listener: the listening socket that the process serves; None if it opens its own.
    """

    log: LogPipe
    role: Role
    environ: Mapping[str, str]
    listener: socket.socket | None = None

    def start(self, ready: int | None = None) -> ChildProcess:
        """Start a process.

        Args:
            ready: a file descriptor to which the process writes a line when it is ready.

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
        # Celery prefers modules in the working directory. This one contains only logs.
        folder = self.log.path.parent
        if self.role.runs_in_fork:
            title = f"[celery: {self.role.name}] starting"
            program = find_program(command)
            return forking.fork(program, title=title, log=self.log, env=self.environ, cwd=folder)
        return spawn(command, log=self.log, env=self.environ, cwd=folder, files=files)
