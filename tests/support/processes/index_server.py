"""An index server process for the tests, started by `acoustid index serve`."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from cli.stack.servers.ports import LOOPBACK, free_port, is_free
from tests.support.polling import eventually

START_DEADLINE = 60.0


class IndexServerProcess:
    """A server. A restart keeps its folder and its port."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = ("index", "serve", "--dir", str(self._folder / "data"), "--port", str(self.port))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                (sys.executable, "-m", "cli.main", *command), stdout=log, stderr=log
            )
        eventually(self._answers, START_DEADLINE)

    def kill(self) -> None:
        """Kill the server and wait until its port is free."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            eventually(lambda: is_free(self.port))

    def stop(self) -> None:
        """Stop the server by SIGTERM."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise AssertionError(f"the index server ended: {self._log.read_text()[-2000:]}")
        try:
            return requests.get(f"http://{LOOPBACK}:{self.port}/_health", timeout=5).ok
        except requests.RequestException:
            return False


@contextmanager
def running_index_server(folder: Path) -> Iterator[IndexServerProcess]:
    """Run a server on a folder during the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = IndexServerProcess(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
