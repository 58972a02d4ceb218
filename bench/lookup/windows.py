"""Windows of lookups on a running stack: how fast, how large the batches, at what cost."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import psutil

from bench.lookup import batches
from bench.lookup.batches import BatchCount
from bench.lookup.drivers import Load, Span, closed_loop, open_loop
from bench.lookup.queries import QueryFile
from bench.stack.accounting import PARTS, Accounting, per_request
from bench.stack.stack import Progress, Started
from cli.stack.servers.ports import LOOPBACK

WARM_UP: Final = 2.0  # seconds, at the window's own number of connections
FIRST_RATE: Final = 500.0  # requests per second to prepare queries for before any were measured
RESERVE: Final = 2.0  # times as many queries as the warm-up would ask in the window
OPEN_LOOP_CONNECTIONS: Final = 256
CONNECTIONS: Final = 32  # where only the number of lookups matters
MOST_SECONDS: Final = 30.0  # of lookups without a look at how many they were


class Drive(Protocol):
    """Asks the queries of a span for some seconds."""

    def __call__(self, span: Span, *, seconds: float) -> Load:
        """Return what came back."""


@dataclass
class Lookups:
    """Measures windows of lookups.

    Attributes:
        stack: whom to ask.
        queries: what; each window takes the next ones.
        batches: counts the batches that carry them; None where that is of no interest.
        seconds: of a window.
        progress: called with one line for each window.
        answered: lookups so far, warm-ups included.
    """

    stack: Started
    queries: QueryFile
    batches: BatchCount | None
    seconds: float
    progress: Progress
    answered: int = 0

    def __post_init__(self) -> None:
        """Open the books."""
        self._accounting = Accounting(self.stack.data)
        self._rate = FIRST_RATE
        self._url = f"http://{LOOPBACK}:{self.stack.port}/v2/lookup"

    def saturated(self, connections: int) -> dict[str, Any]:
        """Measure with so many connections, each asking as soon as it is answered."""
        drive = partial(closed_loop, self._url, self.queries.path, connections=connections)
        warm_up = self._drive(drive, WARM_UP, self._rate)
        self._rate = max(warm_up.requests / warm_up.seconds, 1.0)
        self.progress(f"lookups at {connections} connections for {self.seconds:g} s")
        return {"connections": connections, **self._window(drive)}

    def at_rate(self, rate: float) -> dict[str, Any]:
        """Measure at a rate of requests per second, whether or not they are answered in time."""
        drive = partial(
            open_loop, self._url, self.queries.path, connections=OPEN_LOOP_CONNECTIONS, rate=rate
        )
        self._rate = rate
        self._drive(drive, WARM_UP, rate)
        self.progress(f"lookups at {rate:.0f} a second for {self.seconds:g} s")
        return {"rate": round(rate, 1), **self._window(drive)}

    def memory_after(self, lookups: int) -> dict[str, Any]:
        """Go on until the stack has answered so many lookups in all; return its memory then."""
        self.progress(f"going on to {lookups} lookups")
        drive = partial(closed_loop, self._url, self.queries.path, connections=CONNECTIONS)
        while self.answered < lookups:
            seconds = min(MOST_SECONDS, (lookups - self.answered) / self._rate)
            load = self._drive(drive, max(1.0, seconds), self._rate)
            self._rate = load.requests / load.seconds
        return {
            "lookups": self.answered,
            "lookup_workers_rss_mb": self._accounting.rss("lookup_workers"),
            "memory_mb": self._accounting.memory(),
        }

    def _drive(self, drive: Drive, seconds: float, rate: float) -> Load:
        load = drive(self.queries.provide(round(rate * seconds * RESERVE) + 100), seconds=seconds)
        self.queries.used(load.asked)
        self.answered += load.requests
        return load

    def _window(self, drive: Drive) -> dict[str, Any]:
        """Measure one window; what is measured of the stack begins and ends with it."""
        span = self.queries.provide(round(self._rate * self.seconds * RESERVE) + 100)
        if self.batches is not None:
            self.batches.read()
        cpu, machine, start = self._accounting.cpu(), _busy(), time.perf_counter()
        load = drive(span, seconds=self.seconds)
        took = time.perf_counter() - start
        used, machine_used = self._accounting.cpu(), _busy() - machine
        self.queries.used(load.asked)
        self.answered += load.requests
        stack = sum(used[part] - cpu[part] for part in PARTS)
        return {
            **_figures(load),
            **self._batches(load.requests),
            "cpu_ms_per_request": per_request(cpu, used, load.requests),
            "cores_busy": {
                "stack": round(stack / took, 2),
                "driver": round(load.driver_cpu / took, 2),
                "others": round((machine_used - stack - load.driver_cpu) / took, 2),
            },
            "memory_mb": self._accounting.memory(),
        }

    def _batches(self, requests: int) -> dict[str, Any]:
        if self.batches is None:
            return {}
        return {"batches": batches.summary(self.batches.read(), requests)}


def _figures(load: Load) -> dict[str, Any]:
    return {
        "seconds": round(load.seconds, 2),
        "requests": load.requests,
        "requests_per_second": round(load.requests / load.seconds, 1),
        "latency_ms": load.latency_ms,
        "answers": {
            "asked_known": load.known,
            "found": load.found,
            "none": load.none,
            "unexpected": load.unexpected(),
            "refused": load.refused,
            "errors": sum(load.errors.values()),
            "late": load.late,
        },
        "repeated": load.rounds > 0,
        "driver_cpu_ms_per_request": round(1000 * load.driver_cpu / max(1, load.requests), 3),
    }


def _busy() -> float:
    """Return the seconds that all cores of the machine together have worked."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times[:8])) - idle
