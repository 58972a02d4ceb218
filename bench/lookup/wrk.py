"""Runs wrk, an HTTP load generator, and reads its report."""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import StackError

SCRIPT: Final = Path(__file__).with_name("lookup.lua")
TIMEOUT: Final = 15  # seconds for one reply

Span = tuple[int, int]
"""Start and end of some queries in their file, in bytes."""


@dataclass(frozen=True, slots=True)
class WrkReport:
    """The report of one run of wrk.

    Attributes:
        requests: the number of replies.
        seconds: the duration of the run.
        sent: the number of sent requests.
        known: the number of requests whose fingerprint is in the catalogue.
        rounds: the number of repetitions of the whole file; 0 for none.
        found: the number of replies with a track.
        none: the number of replies without a track.
        refused: the number of replies with another status than 200.
        late: the number of requests that were sent late, because no connection was free.
        errors: the number of errors below HTTP, by kind.
        latency_ms: ``p50``, ``p95``, ``p99``, ``max``.
        driver_cpu: the CPU seconds of wrk.
    """

    requests: int
    seconds: float
    sent: int
    known: int
    rounds: int
    found: int
    none: int
    refused: int
    late: int
    errors: dict[str, int]
    latency_ms: dict[str, float]
    driver_cpu: float

    def unexpected(self) -> int:
        """Return the minimum number of replies with a wrong result.

        A reply is wrong if it has a track for an unknown query or none for a known one. Requests
        without a reply at the end of the run do not count.
        """
        open_requests = max(0, self.sent - self.requests)
        return max(
            0, self.found - self.known, self.known - self.found - self.refused - open_requests
        )


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        StackError: wrk is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise StackError("wrk, which sends the requests, is not installed: `apt-get install wrk`")
    return found


def closed_loop(
    url: str, queries: Path, span: Span, *, connections: int, seconds: float
) -> WrkReport:
    """Run for some seconds. Each connection sends its next request after the last reply.

    Raises:
        StackError: wrk fails; the text quotes its output.
    """
    return _drive(url, queries, span, connections, seconds)


def open_loop(
    url: str, queries: Path, span: Span, *, connections: int, seconds: float, rate: float
) -> WrkReport:
    """Run for some seconds with `rate` requests per second at random times.

    The rate does not depend on the replies. In a closed loop a slow service gets fewer requests, so
    no queue builds up and the p99 is too low.

    Raises:
        StackError: wrk fails; the text quotes its output.
    """
    return _drive(url, queries, span, connections, seconds, str(rate))


def _drive(
    url: str, queries: Path, span: Span, connections: int, seconds: float, *arguments: str
) -> WrkReport:
    command = [
        *(find_wrk(), "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"),
        *("--timeout", f"{TIMEOUT}s", "-s", str(SCRIPT), url, "--"),
        *(str(queries), str(span[0]), str(span[1]), *arguments),
    ]
    before = _children_cpu()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    used = _children_cpu() - before
    return WrkReport(**parse_report(ended.stdout, ended.stderr), driver_cpu=used)


def parse_report(output: str, errors: str) -> dict[str, Any]:
    """Return the JSON object in the last line of a load driver's output.

    Raises:
        StackError: the last line is not JSON; the text quotes the output.
    """
    try:
        found: dict[str, Any] = json.loads(output.rstrip().rpartition("\n")[2])
    except ValueError:
        raise StackError(f"the load driver failed: {(errors or output).strip()[-500:]}") from None
    return found


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
