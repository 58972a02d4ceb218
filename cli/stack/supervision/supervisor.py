"""The supervisor: starts the processes of a stack, restarts them, stops them in order.

It has one thread. No step is interrupted by a signal (`cli.stack.supervision.signals`). Only
`Supervisor.pause` raises `StopRequested`.
"""

import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from cli.stack.data_directory import DataDir
from cli.stack.logs.log_pipes import LogPipes
from cli.stack.processes import forking
from cli.stack.processes.child_process import ProcessError, describe_exit, read_tail, spawn
from cli.stack.processes.programs import find_program
from cli.stack.processes.stopping import KILL, StopOrder, stop_processes
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.roles import Role
from cli.stack.run_state import RunState
from cli.stack.servers.embedded_server import EmbeddedServer, start_server
from cli.stack.servers.ports import LOOPBACK, answers
from cli.stack.supervision.command_progress import NO_OUTPUT, CommandProgress
from cli.stack.supervision.rolling_restart import RollingRestart, Watch
from cli.stack.supervision.signals import Signals
from cli.stack.supervision.supervised_process import RoleStarter, SupervisedProcess
from cli.stack.supervision.watched_directories import CHECK_INTERVAL, WatchedDirectories
from pipeline.settings.sections import LoggingSettings

MAX_EXITS_AT_START = 3
"""Number of exits of one process, before the stack is ready for the first time, after which the
start fails."""


class CommandError(ProcessError):
    """A command that runs once has failed. The other processes still run."""


class StopRequested(Exception):  # noqa: N818 - it is not an error
    """The supervisor has received a signal to stop."""


class Supervisor:
    """Keeps the processes of one stack running.

    Args:
        data: the stack's data directory, locked by this process.
        report: called with one line of text at a time.
        logging: size and number of the files of each log.
    """

    def __init__(
        self, data: DataDir, report: Callable[[str], None], logging: LoggingSettings
    ) -> None:
        self._data = data
        self._report = report
        self._logs = LogPipes(data, logging, report)
        self._processes: list[SupervisedProcess] = []
        self._is_stopping = False
        self._ready = False
        self._restart = RollingRestart()
        self._signals = Signals(self._restart.request)
        self._work: Iterator[None] = iter(())
        self._directories = WatchedDirectories(data.root)

    @contextmanager
    def supervise(self) -> Iterator[None]:
        """Handle signals during a block; stop all processes at its end, also after an error."""
        with self._signals.handled():
            try:
                self._logs.start()
                self._save()
                yield
            finally:
                self._stop_all()
                self._logs.close()
                self._directories.close()

    def work_while_waiting(self, steps: Iterator[None]) -> None:
        """Set the work for the time in which `start_server` waits, as short steps."""
        self._work = steps

    def finish_work(self) -> None:
        """Do the rest of the work.

        Raises:
            StopRequested: a signal to stop arrived.
        """
        for _ in self._work:
            self.pause(0.0)

    def start_server(self, server: EmbeddedServer) -> None:
        """Start a server, wait until it answers, and keep it running.

        Raises:
            ProcessError: the server does not start.
            StopRequested: a signal to stop arrived.
        """
        server.output = self._logs.pipe(server.role)
        server.report = self._report
        progress = CommandProgress(server.role, server.output, self._report)
        child = start_server(server, partial(self._work_or_pause, progress))
        process = SupervisedProcess(
            server.role,
            StopOrder.SERVER,
            server.spawn,
            server.escalation,
            server.port,
            LOOPBACK,
            server.mark,
            escalation_if_moved=server.escalation_if_moved,
        )
        self._directories.add(Path(server.mark))
        process.set_started(child)
        self._processes.append(process)
        self._save()
        self._report(f"{server.role} answers on port {server.port} (pid {child.pid})")

    def start_role(
        self, role: Role, environ: Mapping[str, str], listener: socket.socket | None = None
    ) -> None:
        """Start the process of a role and keep it running.

        Args:
            role: the role.
            environ: its environment.
            listener: the listening socket for a role that shares one. It is closed when the
                processes are stopped.
        """
        log = self._logs.pipe(role.name)
        starter = RoleStarter(log, role, environ, listener, role.runs_in_fork)
        process = SupervisedProcess(
            role.name,
            role.stop_order,
            starter.start,
            role.escalation,
            role.port,
            role.host,
            # A forked process has the supervisor's command line and environment.
            "" if role.runs_in_fork else str(self._data.config),
        )
        self._processes.append(process)
        self._restart.add(process, starter)
        self._start(process)

    def run_command(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], *, forks: bool = False
    ) -> None:
        """Run a command to its end. Keep the other processes running during this time.

        Every few seconds the last line of its output is reported.

        Args:
            name: the name of its log.
            command: the program and its arguments.
            environ: its environment.
            forks: whether it runs in a fork of this process, on systems where processes fork.

        Raises:
            CommandError: the command fails. The text quotes its log.
            ProcessError: a supervised process ends at every start.
            StopRequested: a signal to stop arrived. The command is stopped.
        """
        log = self._logs.pipe(name)
        progress = CommandProgress(name, log, self._report, NO_OUTPUT)
        if forks and forking.IS_SUPPORTED:
            program = find_program(command)
            child = forking.fork(program, title=f"acoustid: {name}", log=log, env=environ)
        else:
            child = spawn(command, log=log, env=environ)
        try:
            while child.runs():
                self.pause(0.1)
                self._restart_ended()
                progress.report()
        finally:
            stop_processes([(child, ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)))])
        if child.poll() != 0:
            raise CommandError(f"{name} failed; the end of {log.path}:\n{read_tail(log)}")

    def wait_until_listening(self, role: Role) -> None:
        """Wait until a role accepts connections. Keep the processes running during this time.

        Args:
            role: a role with a port.

        Raises:
            ProcessError: a supervised process ends at every start.
            StopRequested: a signal to stop arrived.
        """
        progress = CommandProgress(role.name, self._logs.pipe(role.name), self._report)
        while not answers(role.host, role.port or 0):
            self.pause(0.05)
            self._restart_ended()
            progress.report()

    def run_until_stopped(self) -> None:
        """Keep the processes running until a signal to stop arrives.

        Raises:
            StopRequested: always, in the end.
        """
        self._ready = True
        self._save()
        while True:
            self._restart_ended()
            if self._restart.is_due():
                self._restart.run(Watch(self._report, self._restart_ended, self._save, self.pause))
                self._save()
                continue  # its waits have consumed the wake-ups of other events
            self.pause(self._until_next_start())

    def pause(self, seconds: float) -> None:
        """Wait for some seconds, or until a signal arrives.

        While the processes are being stopped, nothing is raised.

        Raises:
            StopRequested: a signal to stop arrived.
            DirectoryMovedError: the data directory was moved.
        """
        if not self._signals.stop_requests or self._is_stopping:
            self._signals.wait(seconds)
        if self._signals.stop_requests and not self._is_stopping:
            raise StopRequested
        if not self._is_stopping:
            self._directories.require_unmoved()

    def _work_or_pause(self, progress: CommandProgress, seconds: float) -> None:
        self.pause(0.0)
        progress.report()
        try:
            next(self._work)
        except StopIteration:
            self.pause(seconds)

    def _start(self, process: SupervisedProcess) -> None:
        process.set_started(process.start())
        self._save()

    def _restart_ended(self) -> None:
        """Schedule the restart of ended processes, and start those again whose delay is over."""
        self._logs.restart_ended()
        for process in self._processes:
            status = process.child.poll() if process.child else None
            if status is not None:
                self._handle_exit(process, status)
            if process.child is None and process.next_start <= time.monotonic():
                self._start_again(process)

    def _start_again(self, process: SupervisedProcess) -> None:
        try:
            self._start(process)
        except ProcessError as error:  # the reason may be temporary, such as too little memory
            self._report(f"{error}, next attempt in {process.schedule_restart():g} s")
        else:
            self._report(f"{process.name} starts again (pid {process.pid()})")

    def _handle_exit(self, process: SupervisedProcess, status: int) -> None:
        delay = process.schedule_restart()
        log = self._logs.pipe(process.name)
        if not self._ready and process.exits >= MAX_EXITS_AT_START:
            raise ProcessError(
                f"{process.name} ends at every start; the end of {log.path}:\n{read_tail(log)}"
            )
        how = describe_exit(status)
        self._report(f"{process.name} ended ({how}), restart in {delay:g} s: see {log.path}")
        self._save()

    def _until_next_start(self) -> float:
        now = time.monotonic()
        waits = [each.next_start - now for each in self._processes if each.child is None]
        return max(0.0, min([*waits, self._logs.seconds_until_start(), CHECK_INTERVAL]))

    def _stop_all(self) -> None:
        """Stop the processes in their order. A second request to stop shortens the waits.

        After the data directory was moved, they are stopped without another write by its path.
        """
        self._is_stopping = True
        first = self._signals.stop_requests
        others = self._restart.close()
        for order in StopOrder:
            moved = self._directories.is_any_moved()
            running = [
                (each.name, each.child, each.escalation_if_moved if moved else each.escalation)
                for each in self._processes
                if each.stop_order == order and each.child and each.child.runs()
            ]
            running += [
                (each.name, each.child, KILL if moved else each.escalation)
                for each in others
                if each.stop_order == order and each.child.runs()
            ]
            if running:
                self._report(f"stopping {', '.join(name for name, _, _ in running)}")
                stopped = [(child, escalation) for _, child, escalation in running]
                stop_processes(stopped, self.pause, lambda: self._signals.stop_requests > first)
        self._processes.clear()
        self._ready = False
        self._directories.delete_file(self._data.run.name)

    def _save(self) -> None:
        if self._directories.is_root_moved():  # the file at this path is that of another stack
            return
        process = psutil.Process()
        running = tuple(filter(None, (each.as_running() for each in self._processes)))
        state = RunState(
            ProcessIdentity(process.pid, process.create_time()),
            running,
            self._ready,
            self._restart.completed,
            self._restart.problem,
            code=self._restart.code,
        )
        try:
            state.save(self._data)
        except OSError as error:  # such as a full disk; the processes keep running
            self._report(f"{self._data.run} cannot be written: {error.strerror}")
