"""A NATS server with JetStream as a child process."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from cli.errors import StackError
from cli.stack.servers.ports import LOOPBACK, free_port

START_DEADLINE: Final = 30.0  # seconds
STOP_DEADLINE: Final = 30.0
_POLL: Final = 0.05  # seconds between two attempts to connect


def server_program() -> str | None:
    """Return the path of ``nats-server``: beside this Python or in ``PATH``; None without one."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


class NatsServer:
    """``nats-server`` as a child process. All starts use one port and one folder.

    Args:
        folder: the folder of the streams; the log is next to it.
        options: further options of the program.
        program: the path of the program; `server_program` by default.

    Attributes:
        port: the port.
        folder: the folder of the streams.
    """

    def __init__(self, folder: Path, *options: str, program: str | None = None) -> None:
        self.log = folder.with_suffix(".log")
        self.port = free_port()
        self.folder = folder
        self._options = options
        self._program = program or server_program()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for ``[nats] servers``."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it accepts connections.

        Raises:
            StackError: the program is not installed, it ended, or it does not answer in time.
        """
        if self._program is None:
            raise StackError("nats-server is missing: install the Debian package nats-server")
        command = [self._program, "-js", "-sd", str(self.folder)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-a", LOOPBACK, "-p", str(self.port), *self._options],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_DEADLINE
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StackError(f"nats-server does not answer; its log is {self.log}")
            time.sleep(_POLL)

    def kill(self) -> None:
        """End the server with SIGKILL, if it runs."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the server with SIGTERM, if it runs."""
        self._end(signal.SIGTERM)

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1.0) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_DEADLINE)
            self._process = None
