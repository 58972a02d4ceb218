"""Brings an embedded server up and waits until it answers."""

import time
from pathlib import Path
from typing import Protocol

from cli.stack.processes import Child, Pause, ProcessError, read_tail
from cli.stack.servers import ports
from cli.stack.stopping import Escalation, end

START_TIMEOUT = 300.0
"""Seconds in which a server must answer; recovery after a crash takes its time."""

_ATTEMPTS = 5
_POLL = 0.02


class EmbeddedServer(Protocol):
    """What PostgreSQL and Valkey have in common here."""

    role: str
    port: int
    log: Path
    mark: str
    escalation: Escalation

    def prepare(self) -> None:
        """Create what the server needs on disk and end a stray one that uses it."""

    def spawn(self) -> Child:
        """Start the process, on a directory that is prepared."""

    def answers(self) -> bool:
        """Say whether it is this server that answers on the port, with our password."""


def start(server: EmbeddedServer, pause: Pause = time.sleep) -> Child:
    """Prepare and start a server; return it once it answers.

    If its port is taken by the time it wants it, it gets another one.

    Args:
        server: one that does not run yet.
        pause: how to wait; what it raises ends the start and the process.

    Raises:
        ProcessError: it ended or did not answer; the text quotes its log.
    """
    server.prepare()
    for _ in range(_ATTEMPTS):
        process = server.spawn()
        try:
            if wait_for_answer(server, process, pause):
                return process
        except BaseException:
            end(process, server.escalation)
            raise
        if ports.is_free(server.port):
            break
        server.port = ports.free_port()
    raise ProcessError(f"{server.role} ended at its start:\n{read_tail(server.log)}")


def wait_for_answer(server: EmbeddedServer, process: Child, pause: Pause = time.sleep) -> bool:
    """Wait until the server answers; False if its process ended instead.

    Raises:
        ProcessError: it did neither in time.
    """
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None:
        if server.answers():
            return True
        if time.monotonic() > deadline:
            raise ProcessError(f"{server.role} does not answer:\n{read_tail(server.log)}")
        pause(_POLL)
    return False
