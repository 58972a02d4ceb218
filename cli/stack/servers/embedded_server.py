"""Starts an embedded server and waits until it answers."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from cli.stack.processes.child_process import ChildProcess, LogPipe, ProcessError, read_tail
from cli.stack.processes.stopping import Escalation, stop_process
from cli.stack.processes.waiting import Pause
from cli.stack.servers import ports

START_TIMEOUT = 300.0
"""Seconds within which a server must answer. Recovery after a crash may take minutes."""

Report = Callable[[str], None]
"""Called with a line of text."""

_ATTEMPTS = 5
_POLL = 0.02


class EmbeddedServer(Protocol):
    """A server of a stack: PostgreSQL or Valkey.

    Attributes:
        role: its name in logs and in ``run.json``.
        port: the port on which it listens on 127.0.0.1.
        log: the path of its log.
        output: the log, or the pipe to it.
        report: called with a line of text for each repair.
        mark: its directory. It identifies its process, see `cli.stack.processes.strays`.
        escalation: the signals that stop it.
        escalation_if_moved: the signals that stop it after its directory was moved.
    """

    role: str
    port: int
    log: Path
    output: Path | LogPipe
    report: Report
    mark: str
    escalation: Escalation
    escalation_if_moved: Escalation

    def prepare(self) -> None:
        """Create the server's directory if it is missing, and stop a stray server that uses it.

        What an earlier crash has left is repaired.
        """

    def spawn(self) -> ChildProcess:
        """Start the process. `prepare` must have been called before."""

    def server_pid(self) -> int | None:
        """Return the pid of the server on the port; None if it does not accept the password."""

    def answers(self) -> bool:
        """Return whether the server answers on the port and accepts the stack's password."""

    def repair(self, status: int, log: str) -> bool:
        """Repair the reason why the process ended at its start; return False if it is another one.

        Args:
            status: its exit status, as from `ChildProcess.poll`.
            log: the end of its log.
        """


def report_nothing(_line: str) -> None:
    """Ignore the lines of a server that no supervisor runs."""


def start_server(server: EmbeddedServer, pause: Pause = time.sleep) -> ChildProcess:
    """Prepare and start a server; return its process when it answers.

    If another process takes the port in the meantime, the server gets another port.

    Args:
        server: a server that does not run.
        pause: the function that waits. If it raises an exception, the process is stopped.

    Raises:
        ProcessError: the process ended or did not answer. The text quotes its log.
    """
    server.prepare()
    is_repaired = False
    for _ in range(_ATTEMPTS):
        process = server.spawn()
        try:
            if wait_for_answer(server, process, pause):
                return process
        except BaseException:
            stop_process(process, server.escalation)
            raise
        if not ports.is_free(server.port):
            server.port = ports.free_port()
        elif is_repaired or not server.repair(process.poll() or 0, read_tail(server.output)):
            break
        else:
            is_repaired = True
    raise ProcessError(f"{server.role} ended at its start:\n{read_tail(server.output)}")


def wait_for_answer(
    server: EmbeddedServer, process: ChildProcess, pause: Pause = time.sleep
) -> bool:
    """Wait until the server answers; return False if its process has ended.

    Raises:
        ProcessError: the server did not answer within `START_TIMEOUT`.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None:
        if server.answers() and server.server_pid() == process.pid:  # not that of another stack
            return True
        if time.monotonic() > deadline:
            raise ProcessError(f"{server.role} does not answer:\n{read_tail(server.output)}")
        pause(_POLL)
    return False
