"""An index server process that is killed and started again, and requests to it in MessagePack."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgpack
import urllib3

from cli.errors import StackError
from cli.stack.servers.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from pathlib import Path

START_DEADLINE: Final = 60.0  # seconds
STOP_DEADLINE: Final = 60.0
REQUEST_TIMEOUT: Final = 60.0
_POLL: Final = 0.05  # seconds between two attempts to connect
_FORMAT: Final = "application/vnd.msgpack"
_CONNECTIONS: Final = 8
_LOG_END: Final = 2000  # characters


class Reply(NamedTuple):
    """A reply of the server.

    Attributes:
        status: the HTTP status.
        fields: the decoded body; keys are the first letters of the names.
    """

    status: int
    fields: dict[str, Any]


class ConnectionLost(Exception):  # noqa: N818 - named for what it reports
    """The server ended before it replied."""


class IndexServer:
    """``acoustid index serve`` as a child process. All starts use one port and one folder.

    Args:
        folder: the folder of the indexes; the log is next to it.
        options: further options of the command.

    Attributes:
        port: the port.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.log = folder.with_suffix(".log")
        self.port = free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = self._connect()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StackError: it ended, or does not answer in time.
        """
        command = ["index", "serve", "--dir", str(self.folder), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", *command, *self._options],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_DEADLINE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"the index server does not start: {self.log_end()}")
            time.sleep(_POLL)

    def kill(self) -> None:
        """Kill the server with SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._pool.close()
        self._pool = self._connect()

    def stop(self) -> int:
        """Stop the server by SIGTERM; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            raise StackError(f"the index server does not stop: {self.log_end()}") from None

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """Send a request; a body of None sends no body.

        Raises:
            ConnectionLost: the server ended before it replied.
        """
        try:
            reply = self._pool.request(
                method,
                path,
                body=None if body is None else msgpack.packb(body),
                headers={"Content-Type": _FORMAT, "Accept": _FORMAT},
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ConnectionLost from error
        is_message = reply.headers.get("Content-Type") == _FORMAT
        return Reply(reply.status, msgpack.unpackb(reply.data) if is_message else {})

    def log_end(self) -> str:
        """Return the last lines of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-_LOG_END:]

    def _connect(self) -> urllib3.HTTPConnectionPool:
        return urllib3.HTTPConnectionPool(
            LOOPBACK, self.port, maxsize=_CONNECTIONS, retries=False, timeout=REQUEST_TIMEOUT
        )

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/_health").status == 200
        except ConnectionLost:
            return False
