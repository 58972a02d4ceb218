"""Stops index servers by SIGTERM in many situations. Each stop ends in time.

``make test-system ARGS="-k stops --stops 500"`` runs more stops.
"""

import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest

from cli.stack.servers.ports import free_port
from tests.system.stop_situations import SITUATIONS, Server, starting

AT_A_TIME: Final = 3
"""Number of servers that run at the same time. A stop mostly waits."""


@dataclass(frozen=True)
class Stop:
    """One stop."""

    situation: str
    bound: float
    seconds: float
    status: int
    log: str

    def problem(self) -> str:
        """Return what was wrong, empty if nothing was."""
        permitted = {0, -signal.SIGTERM} if self.situation == starting.__name__ else {0}
        if self.seconds > self.bound:
            return f"{self.situation}: {self.seconds:.1f} s, {self.log}"
        if self.status not in permitted or "Traceback" in self.log:
            return f"{self.situation}: status {self.status}, {self.log}"
        return ""


@contextmanager
def running(folder: Path, number: int) -> Iterator[Server]:
    """Run a server in an empty folder during the block."""
    ports = free_port(), free_port()
    command = ("index", "serve", "--dir", str(folder / "data"), "--port", str(ports[0]))
    with (folder / "log").open("wb") as log, ExitStack() as opened:
        process = subprocess.Popen(
            (sys.executable, "-m", "cli.main", *command, "--legacy-port", str(ports[1])),
            stdout=subprocess.PIPE,
            stderr=log,
        )
        server = Server(process, *ports, random.Random(number), opened)
        try:
            yield server
        finally:
            server.ended.set()
            process.kill()
            process.wait()


def stop_one(folder: Path, number: int) -> Stop:
    """Start a server, bring it into a situation, and stop it."""
    act, bound = list(SITUATIONS.items())[number % len(SITUATIONS)]
    folder.mkdir()
    with running(folder, number) as server:
        act(server)
        time.sleep(server.randomness.uniform(0, 0.3))
        begun = time.monotonic()
        server.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(bound)
        seconds = time.monotonic() - begun
        status = server.process.poll()
    assert server.process.stdout is not None
    with server.process.stdout as output:
        log = output.read().decode() + (folder / "log").read_text()
    return Stop(act.__name__, bound, seconds, -signal.SIGKILL if status is None else status, log)


def summary(stops: list[Stop]) -> str:
    """Return the times of the stops by situation."""
    lines = []
    for name in sorted({stop.situation for stop in stops}):
        times = [stop.seconds for stop in stops if stop.situation == name]
        late = sum(time > 2 for time in times)
        median = statistics.median(times)
        lines.append(
            f"{name}: {len(times)} stops, median {median:.2f} s, longest {max(times):.2f} s, "
            f"{late} over 2 s"
        )
    return "\n".join(lines)


@pytest.mark.timeout(0)  # each step has its own time limit, and the number of stops is an option
def test_no_stop_is_late(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    numbers = range(pytestconfig.getoption("--stops"))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        stops = list(pool.map(lambda number: stop_one(tmp_path / str(number), number), numbers))
    click.echo(summary(stops))
    assert [problem for stop in stops if (problem := stop.problem())] == []
