"""Looks after the processes of a stack: starts them, starts them again, ends them in order.

One process, one thread. Signals only set a flag and wake the loop, so that nothing is interrupted
half way: a request to stop is raised where the supervisor waits, and nowhere else.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

import psutil

from cli.stack.data_directory import DataDir
from cli.stack.processes import Identity, ProcessError, describe_exit, read_tail, spawn
from cli.stack.roles import BRIEF, Role, Stage
from cli.stack.rolling_restart import Restarts, RoleStarter
from cli.stack.run_state import RunState
from cli.stack.servers.launch import EmbeddedServer, start
from cli.stack.servers.ports import LOOPBACK
from cli.stack.stopping import end_together
from cli.stack.supervised_process import Charge

HOPELESS = 3
"""Ends of one process before the stack was ever ready after which it never will be."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RESTART_SIGNAL = signal.SIGUSR1
"""Asks for a new front end."""


class CommandError(ProcessError):
    """A command that runs once failed; the processes are well."""


class StopRequested(Exception):  # noqa: N818 - it is no error
    """Somebody asked the supervisor to stop."""


class Supervisor:
    """Keeps the processes of one stack.

    Args:
        data: the stack's data directory, which this process holds the lock of.
        report: called with one line at a time, for whoever watches.
    """

    def __init__(self, data: DataDir, report: Callable[[str], None]) -> None:
        self._data = data
        self._report = report
        self._charges: list[Charge] = []
        self._stops = 0
        self._stopping = False
        self._ready = False
        self._restarts = Restarts()
        self._wake, self._woken = os.pipe()
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Take the signals; at the exit end every process, whatever the reason for it."""
        handled = (*STOP_SIGNALS, RESTART_SIGNAL, signal.SIGCHLD)
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        wakeup = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        try:
            self._save()
            yield
        finally:
            self._end_all()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def start_server(self, server: EmbeddedServer) -> None:
        """Start a server, wait until it answers, and keep it running.

        Raises:
            ProcessError: it does not start.
            StopRequested: somebody asked for that meanwhile.
        """
        self._data.set_aside_log(server.role)
        child = start(server, self.pause)
        charge = Charge(
            server.role,
            Stage.SERVER,
            server.spawn,
            server.escalation,
            server.port,
            LOOPBACK,
            server.mark,
        )
        charge.adopt(child)
        self._charges.append(charge)
        self._save()
        self._report(f"{server.role} answers on port {server.port} (pid {child.pid})")

    def start_role(
        self, role: Role, environ: Mapping[str, str], listener: socket.socket | None = None
    ) -> None:
        """Start a process and keep it running.

        Args:
            role: which process.
            environ: its environment.
            listener: for a role that shares one; closed when the processes end.
        """
        starter = RoleStarter(self._data, role, environ, listener)
        charge = Charge(
            role.name,
            role.stage,
            starter.start,
            role.escalation,
            role.port,
            role.host,
            str(self._data.config),
        )
        self._charges.append(charge)
        if listener is not None:
            self._restarts.follow(charge, starter)
        self._start(charge)

    def run_once(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Run a command to its end, looking after the other processes meanwhile.

        Raises:
            CommandError: it fails; the text quotes its log.
            ProcessError: a process never stays up.
            StopRequested: somebody asked for that meanwhile; it is ended.
        """
        self._data.set_aside_log(name)
        child = spawn(command, log=self._data.log(name), env=environ)
        try:
            while child.runs():
                self.pause(0.1)
                self._tend()
        finally:
            end_together([(child, ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))])
        if child.poll() != 0:
            log = self._data.log(name)
            raise CommandError(f"{name} failed; the end of {log}:\n{read_tail(log)}")

    def watch(self) -> None:
        """Look after the processes until somebody asks to stop.

        Raises:
            StopRequested: always, in the end.
        """
        self._ready = True
        self._save()
        while True:
            self._tend()
            if self._restarts.is_wanted():
                self._restarts.run(self._report, self._tend, self.pause)
                self._save()
                continue  # what has ended or was asked for meanwhile has woken nobody
            self.pause(self._until_next_start())

    def pause(self, seconds: float) -> None:
        """Wait, or less if a child ended.

        Raises:
            StopRequested: somebody asked to stop; once only, the ending itself is not stopped.
        """
        if not self._stops or self._stopping:
            select.select([self._wake], [], [], seconds)
            with suppress(BlockingIOError):
                os.read(self._wake, 4096)
        if self._stops and not self._stopping:
            raise StopRequested

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in STOP_SIGNALS:
            self._stops += 1
        elif number == RESTART_SIGNAL:
            self._restarts.wanted += 1

    def _start(self, charge: Charge) -> None:
        charge.adopt(charge.start())
        self._save()

    def _tend(self) -> None:
        """Notice who has ended, and start again whose time has come."""
        for charge in self._charges:
            status = charge.child.poll() if charge.child else None
            if status is not None:
                self._bury(charge, status)
            if charge.child is None and charge.next_start <= time.monotonic():
                self._start_again(charge)

    def _start_again(self, charge: Charge) -> None:
        try:
            self._start(charge)
        except ProcessError as error:  # short of memory, say: that passes
            self._report(f"{error}, trying again in {charge.bury():g} s")
        else:
            self._report(f"{charge.name} starts again (pid {charge.child and charge.child.pid})")

    def _bury(self, charge: Charge, status: int) -> None:
        delay = charge.bury()
        log = self._data.log(charge.name)
        if not self._ready and charge.ends >= HOPELESS:
            raise ProcessError(
                f"{charge.name} ends at every start; the end of {log}:\n{read_tail(log)}"
            )
        how = describe_exit(status)
        self._report(f"{charge.name} ended ({how}), starting it again in {delay:g} s: see {log}")
        self._save()

    def _until_next_start(self) -> float:
        waiting = [each.next_start for each in self._charges if each.child is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else 3600.0

    def _end_all(self) -> None:
        """End the processes stage by stage; a second request to stop cuts the waits short."""
        self._stopping = True
        first = self._stops
        leaving = self._restarts.close()
        for stage in Stage:
            living = [
                (each.name, each.child, each.escalation)
                for each in self._charges
                if each.stage == stage and each.child and each.child.runs()
            ]
            if stage == Stage.FRONT:
                living += [(name, child, BRIEF) for name, child in leaving if child.runs()]
            if living:
                self._report(f"stopping {', '.join(name for name, _, _ in living)}")
                ending = [(child, escalation) for _, child, escalation in living]
                end_together(ending, self.pause, lambda: self._stops > first)
        self._charges.clear()
        self._ready = False
        self._data.run.unlink(missing_ok=True)

    def _save(self) -> None:
        process = psutil.Process()
        running = tuple(filter(None, (each.as_running() for each in self._charges)))
        state = RunState(
            Identity(process.pid, process.create_time()),
            running,
            self._ready,
            self._restarts.done,
            self._restarts.problem,
        )
        try:
            state.save(self._data)
        except OSError as error:  # a full disk is no reason to end what runs
            self._report(f"{self._data.run} cannot be written: {error.strerror}")
