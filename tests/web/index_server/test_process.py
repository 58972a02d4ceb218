"""The process of ``acoustid index serve``: start, crash, stop, errors."""

import fcntl
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.stack.servers.ports import free_port
from index_server.server import DirectoryInUseError, exclusive
from tests.support.polling import eventually

TIMEOUT = 30  # seconds
PIPE_BYTES = 4096  # the minimum
LOG_LINES = 16  # with names of 250 characters, more than such a pipe holds


class Server:
    """A server process."""

    def __init__(self, directory: Path) -> None:
        self.port, self.legacy_port = free_port(), free_port()
        self.log = directory.parent / "server.log"
        self._command = (
            *(sys.executable, "-m", "cli.main", "index", "serve", "--dir", str(directory)),
            *("--port", str(self.port), "--legacy-port", str(self.legacy_port)),
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, output: int | None = None) -> subprocess.Popen[bytes]:
        """Start the process without waiting; `output` replaces the log as its standard output."""
        with self.log.open("ab") as log:
            output = log.fileno() if output is None else output
            self.process = subprocess.Popen(self._command, stdout=output, stderr=log)
        return self.process

    def run(self, output: int | None = None) -> None:
        """Start the process and wait until it answers."""
        process = self.start(output)

        def answers() -> bool:
            assert process.poll() is None, self.log.read_text()
            try:
                return self.request("GET", "/_health").ok
            except requests.ConnectionError:
                return False

        eventually(answers, TIMEOUT)

    def end(self, number: signal.Signals) -> int:
        """Send a signal. Return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)

    def request(self, method: str, path: str, **given: object) -> requests.Response:
        """Send a request."""
        return requests.request(
            method, f"http://127.0.0.1:{self.port}{path}", json=given or None, timeout=TIMEOUT
        )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that is not started. It is killed at the end."""
    server = Server(tmp_path / "data")
    yield server
    if server.process is not None and server.process.poll() is None:
        server.end(signal.SIGKILL)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_acknowledged_updates_survive_a_restart(server: Server, end: signal.Signals) -> None:
    server.run()
    server.request("PUT", "/a")
    for term in range(20):
        server.request("PUT", "/a/1", hashes=[term, 100])
    with socket.create_connection(("127.0.0.1", server.legacy_port)) as client:
        client.sendall(b"begin\ninsert 7 9\ncommit\n")
        assert client.makefile().read(len("OK \n") * 3) == "OK \n" * 3
    status = server.end(end)
    assert status == (-signal.SIGKILL if end == signal.SIGKILL else 0)
    server.run()
    assert server.request("GET", "/a/1").json()["version"] == 20
    assert server.request("POST", "/a/_search", query=[19, 100]).json()["results"] == [
        {"id": 1, "score": 2}
    ]
    assert server.request("GET", "/main").json()["stats"]["num_docs"] == 1


def test_a_signal_during_the_start_ends_the_process(server: Server) -> None:
    process = server.start()
    # The server prints the address before it opens the indexes.
    address = f"index server: http://127.0.0.1:{server.port}"
    eventually(lambda: address in server.log.read_text(), TIMEOUT)
    process.terminate()
    assert process.wait(TIMEOUT) == 0
    assert "Traceback" not in server.log.read_text()


def test_a_log_that_is_not_read_stops_neither_requests_nor_the_stop(server: Server) -> None:
    server.run(subprocess.PIPE)
    assert server.process is not None
    assert server.process.stdout is not None
    fcntl.fcntl(server.process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    begun = time.monotonic()
    for number in range(LOG_LINES // 2):
        assert server.request("PUT", f"/{number:0250}").ok
        assert server.request("DELETE", f"/{number:0250}").ok
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun < TIMEOUT
    assert len(server.process.stdout.read()) <= PIPE_BYTES
    server.process.stdout.close()


def test_a_folder_has_one_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.run()
    monkeypatch.setattr("index_server.server.LOCK_TIMEOUT", 0)
    with (
        pytest.raises(DirectoryInUseError, match="in use by another server: stop it first"),
        exclusive(server.log.parent / "data"),
    ):
        pass


def test_the_server_starts_beside_a_damaged_index(server: Server, tmp_path: Path) -> None:
    """The index of the line protocol is the damaged one."""
    (tmp_path / "data" / "main").mkdir(parents=True)
    (tmp_path / "data" / "main" / "state").write_bytes(b"{}")
    server.run()
    assert f"{tmp_path}/data/main/state is damaged: restore its folder" in server.log.read_text()
    assert server.request("PUT", "/a").ok
    assert server.request("GET", "/main/_health").status_code == 503
    with socket.create_connection(("127.0.0.1", server.legacy_port)) as client:
        client.sendall(b"search 1\n")
        assert client.makefile().readline().startswith("ERR ")


def test_the_error_names_a_port_in_use(server: Server) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        assert server.start().wait(TIMEOUT) == 1
    assert f"port {server.port} of 127.0.0.1 is taken" in server.log.read_text()


def test_a_snapshot_is_restored_by_the_command(server: Server, tmp_path: Path) -> None:
    server.run()
    server.request("PUT", "/a")
    server.request("PUT", "/a/1", hashes=[5])
    snapshot = tmp_path / "snapshot"
    snapshot.write_bytes(server.request("GET", "/a/_snapshot").content)
    server.end(signal.SIGTERM)
    command = [sys.executable, "-m", "cli.main", "index", "restore", "--dir", tmp_path / "data"]
    done = subprocess.run([*command, "b", snapshot], capture_output=True, text=True, check=True)
    assert done.stdout == "b restored: generation 1\n"
    again = subprocess.run([*command, "b", snapshot], capture_output=True, text=True, check=False)
    assert (again.returncode, "b exists: delete it first" in again.stderr) == (1, True)
    server.run()
    assert server.request("POST", "/b/_search", query=[5]).json()["results"] == [
        {"id": 1, "score": 1}
    ]
