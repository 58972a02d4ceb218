"""`acoustid serve` after SIGTERM: its health checks fail, and it serves until it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.stack.servers.ports import LOOPBACK, free_port
from pipeline.settings.sections import Settings
from tests.support.polling import eventually
from tests.support.processes.workers import write_config

DRAIN_TIME = 2.0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def front_end(settings: Settings, tmp_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A front end that serves for two seconds after SIGTERM."""
    environ = {
        **os.environ,
        "ACOUSTID_CONFIG": str(write_config(settings, tmp_path / "acoustid.conf")),
        "ACOUSTID_API_DRAIN_TIME": str(DRAIN_TIME),
    }
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    with (tmp_path / "api.log").open("ab") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait(30)


def status(port: int, path: str) -> int:
    """Return the status of a reply on a new connection; 0 while none is accepted."""
    try:
        return requests.get(f"http://{LOOPBACK}:{port}{path}", timeout=30).status_code
    except requests.ConnectionError:
        return 0


def test_a_front_end_fails_its_health_checks_before_it_stops(front_end, port) -> None:
    eventually(lambda: status(port, "/_health_docker") == 200)
    assert status(port, "/_health") == 200
    front_end.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    eventually(lambda: status(port, "/_health") == 503, 1)
    while time.monotonic() - begun < DRAIN_TIME - 0.5:
        body = requests.get(f"http://{LOOPBACK}:{port}/_health_ro", timeout=30).json()
        assert body["status"] == "error"
        assert body["faults"] == ["this front end is stopping: send requests to another one"]
        assert status(port, "/_health_docker") == 200
        assert status(port, "/v2/lookup") == 401  # it is answered: there is no key
        time.sleep(0.1)
    assert front_end.wait(30) == 0
    assert time.monotonic() - begun > DRAIN_TIME - 0.1
    assert status(port, "/_health") == 0
