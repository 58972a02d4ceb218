"""Runs the load driver, a process of its own that costs little: `wrk`; returns what it saw."""

import json
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.errors import StackError

SCRIPT: Final = Path(__file__).with_name("lookup.lua")
TIMEOUT: Final = 15  # seconds for one answer

Span = tuple[int, int]
"""Where queries begin and end in their file, in bytes."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load driver saw.

    Attributes:
        requests: that were answered.
        seconds: of the window.
        asked: requests that were sent, of which `known` are in the catalogue.
        rounds: how often the queries began again, 0 where none was repeated.
        found: answers that name a track; `none` don't, `refused` have another status than 200.
        late: requests that should have been sent earlier, but no connection was free.
        errors: what failed below HTTP, by kind.
        latency_ms: ``p50``, ``p95``, ``p99``, ``max``.
        driver_cpu: seconds of CPU that the driver used itself.
    """

    requests: int
    seconds: float
    asked: int
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
        """Return how many answers at least name a track, or none, where they should not.

        A request that was under way at the end has no answer that could be missing.
        """
        under_way = max(0, self.asked - self.requests)
        return max(0, self.found - self.known, self.known - self.found - self.refused - under_way)


def find_wrk() -> str:
    """Return wrk's path.

    Raises:
        StackError: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise StackError("wrk drives the load and is not installed: `apt-get install wrk`")
    return found


def closed_loop(url: str, queries: Path, span: Span, *, connections: int, seconds: float) -> Load:
    """Ask for some seconds, each connection the next query as soon as the last is answered.

    Raises:
        StackError: wrk fails; the text quotes it.
    """
    return _drive(url, queries, span, connections, seconds)


def open_loop(
    url: str, queries: Path, span: Span, *, connections: int, seconds: float, rate: float
) -> Load:
    """Ask `rate` times a second at random moments, whether or not the last ones are answered.

    Who asks next only when answered asks less where the service is slow, and so never sees a queue:
    its p99 flatters.

    Raises:
        StackError: wrk fails; the text quotes it.
    """
    return _drive(url, queries, span, connections, seconds, str(rate))


def _drive(
    url: str, queries: Path, span: Span, connections: int, seconds: float, *arguments: str
) -> Load:
    command = [
        *(find_wrk(), "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s"),
        *("--timeout", f"{TIMEOUT}s", "-s", str(SCRIPT), url, "--"),
        *(str(queries), str(span[0]), str(span[1]), *arguments),
    ]
    before = _children_cpu()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    used = _children_cpu() - before
    return Load(**parse(ended.stdout, ended.stderr), driver_cpu=used)


def parse(output: str, errors: str) -> dict[str, Any]:
    """Return what a driver has printed as the last line of its output.

    Raises:
        StackError: it has not.
    """
    try:
        found: dict[str, Any] = json.loads(output.rstrip().rpartition("\n")[2])
    except ValueError:
        raise StackError(f"the load driver failed: {(errors or output).strip()[-500:]}") from None
    return found


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
