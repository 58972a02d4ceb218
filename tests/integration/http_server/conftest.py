"""The HTTP server with a small WSGI application, as a separate process."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.stack.servers.ports import LOOPBACK, free_port
from tests.support.polling import eventually

PATIENCE = 30.0
STARTS = 3  # of a server, since another process may take its port first


class PlainServer:
    """A server, and raw connections to it.

    Attributes:
        process: the process of the server.
    """

    def __init__(self, log: Path, limits: dict[str, float], drain_time: float = 0.0) -> None:
        for _ in range(STARTS):
            self.port = free_port()
            self.process = self._start(log, limits, drain_time)
            if eventually(lambda: self._answers() or self._has_ended(), PATIENCE) and (
                not self._has_ended()
            ):
                return
        raise AssertionError(f"the server ended at each start: see {log}")

    def _start(
        self, log: Path, limits: dict[str, float], drain_time: float
    ) -> "subprocess.Popen[bytes]":
        command = (sys.executable, "-m", "tests.support.processes.wsgi_application", str(self.port))
        with log.open("ab") as output:
            return subprocess.Popen(
                (*command, json.dumps(limits), str(drain_time)), stdout=output, stderr=output
            )

    def _has_ended(self) -> bool:
        """Return whether the server ended, since another process has taken the port."""
        return self.process.poll() is not None

    def connect(self, source: str = LOOPBACK) -> socket.socket:
        """Open a connection from an address of this machine."""
        return socket.create_connection(
            (LOOPBACK, self.port), timeout=PATIENCE, source_address=(source, 0)
        )

    def exchange(self, data: bytes, *, source: str = LOOPBACK, half_close: bool = False) -> bytes:
        """Send bytes; return all bytes received until the server closes the connection."""
        with self.connect(source) as client:
            client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return read_all(client)

    def _answers(self) -> bool:
        with suppress(OSError), self.connect() as client:
            # Before the server listens, a client that gets the same port connects to itself.
            return client.getsockname() != client.getpeername()
        return False


def read_all(client: socket.socket) -> bytes:
    """Return all bytes received until the connection ends or is reset."""
    received = b""
    with suppress(ConnectionError):
        while part := client.recv(1 << 20):
            received += part
    return received


def seconds_until_closed(client: socket.socket) -> float:
    """Return the seconds until the server closes a connection."""
    begun = time.monotonic()
    read_all(client)
    return time.monotonic() - begun


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., PlainServer]]:
    """Return a function that starts a server with limits; it is stopped after the test."""
    made: list[PlainServer] = []

    def make(*, drain_time: float = 0.0, **limits: float) -> PlainServer:
        made.append(PlainServer(tmp_path / "server.log", limits, drain_time))
        return made[-1]

    yield make
    for each in made:
        each.process.kill()
        each.process.wait(PATIENCE)
