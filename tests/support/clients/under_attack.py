"""Measures replies and latency of other clients during an attack on a server."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
QUIET_SECONDS = 3.0
PAUSE = 0.02  # seconds between two requests of a client


@dataclass
class Seen:
    """The duration of each request of some clients, and all wrong replies."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def p99(self) -> float:
        """Return the 99th percentile of the times, in seconds."""
        return sorted(self.seconds)[int(0.99 * len(self.seconds))]


@dataclass(frozen=True)
class CheckedRequest:
    """A request, and the check of its reply."""

    method: str
    path: str
    is_right: Callable[[int, bytes], bool]
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def send_repeatedly(port: int, request: CheckedRequest, seconds: float, seen: Seen) -> None:
    """Send a request repeatedly for some seconds, each time on a new connection."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            reply = connection.getresponse()
            content = reply.read()
            if not request.is_right(reply.status, content):
                seen.wrong.append(f"{request.path}: {reply.status} {content[:200]!r}")
        except (OSError, http.client.HTTPException) as error:
            seen.wrong.append(f"{request.path}: {error!r}")
        finally:
            connection.close()
        seen.seconds.append(time.monotonic() - begun)
        time.sleep(PAUSE)


def watch(port: int, requests: Sequence[CheckedRequest], seconds: float) -> Seen:
    """Send all requests concurrently for some seconds."""
    seen = Seen()
    threads = [
        threading.Thread(target=send_repeatedly, args=(port, request, seconds, seen))
        for request in requests
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


@dataclass(frozen=True)
class Outcome:
    """The results without and with an attack.

    Attributes:
        attackers: the number of connections by kind.
        memory: the resident memory of the server's process in bytes, at the end of the attack.
    """

    quiet: Seen
    attacked: Seen
    attackers: dict[str, int]
    memory: int

    def show(self) -> str:
        """Return the figures in one line."""
        opened = sum(count for name, count in self.attackers.items() if "failed" not in name)
        return (
            f"quiet p99 {1000 * self.quiet.p99():.0f} ms, under attack"
            f" {1000 * self.attacked.p99():.0f} ms ({len(self.attacked.seconds)} requests,"
            f" {len(self.attacked.wrong)} wrong), {opened} hostile connections,"
            f" server {self.memory / 1e6:.0f} MB"
        )


def attacked(
    port: int, pid: int, requests: Sequence[CheckedRequest], seconds: float, large_path: str
) -> Outcome:
    """Measure a server without an attack, then during an attack."""
    quiet = watch(port, requests, QUIET_SECONDS)
    command = [sys.executable, "-m", "tests.support.clients.attack", str(port), str(seconds)]
    attack = subprocess.Popen(
        [*command, requests[0].path, large_path], stdout=subprocess.PIPE, text=True
    )
    try:
        seen = watch(port, requests, seconds)
        memory = psutil.Process(pid).memory_info().rss
        output, _ = attack.communicate(timeout=90)
    finally:
        attack.kill()
        attack.wait(30)
    return Outcome(quiet, seen, json.loads(output), memory)
