"""Measures windows of lookups on a running stack: rate, latency, batches, cost."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import psutil
from celery import Celery
from kombu import pools

from bench.lookup.queries import QueryFile
from bench.lookup.wrk import Span, WrkReport, closed_loop, open_loop
from bench.stack.launch import Progress, RunningStack
from bench.stack.processes import PARTS, Accounting, per_request
from cli.stack.servers.ports import LOOPBACK
from pipeline.settings.sections import Settings

WARM_UP: Final = 2.0  # seconds, with the same number of connections as the window
FIRST_RATE: Final = 500.0  # assumed requests per second before the first measurement
RESERVE: Final = 2.0  # factor on the number of queries that the measured rate needs
OPEN_LOOP_CONNECTIONS: Final = 256
OVERLOAD_CONNECTIONS: Final = 2048  # enough for requests that wait until their deadline
RECOVERY: Final = 5.0  # seconds after an overload; then the latency must be normal
MEMORY_CONNECTIONS: Final = 32  # for sending a given number of lookups
MAX_SECONDS: Final = 30.0  # of sending between two counts of the lookups
FIRST_TASKS: Final = ("lookup.batch", "lookup.sampled_batch", "lookup.validate")
"""Each batch is exactly one task of one of these names."""

REPLY_TIMEOUT: Final = 1.0
"""Seconds to wait for the replies of the workers."""


class Drive(Protocol):
    """Sends the queries of a span for some seconds."""

    def __call__(self, span: Span, *, seconds: float) -> WrkReport:
        """Return the report of wrk."""


class BatchCounter:
    """Counts the batches that the workers of a stack have received.

    Args:
        settings: the settings of the stack.
    """

    def __init__(self, settings: Settings) -> None:
        # The pools may have connections to an earlier stack with the same address.
        pools.reset()  # type: ignore[no-untyped-call]
        self._app = Celery(broker=settings.redis.url(), set_as_current=False)
        self._app.conf.broker_use_ssl = settings.redis.tls() or False
        self._app.conf.accept_content = ["json", "msgpack"]  # the formats of the workers' replies
        self._before = 0

    def read(self) -> int:
        """Return the number of batches since the last call."""
        stats = self._app.control.inspect(timeout=REPLY_TIMEOUT).stats() or {}
        total = count_batches(stats)
        before, self._before = self._before, total
        return total - before


@dataclass
class LookupMeter:
    """Measures windows of lookups.

    Attributes:
        stack: the stack to measure.
        queries: each window takes the next ones.
        batches: counts batches; None for no count.
        seconds: the length of a window.
        progress: called with one line for each window.
        answered: the number of lookups so far, including warm-ups.
    """

    stack: RunningStack
    queries: QueryFile
    batches: BatchCounter | None
    seconds: float
    progress: Progress
    answered: int = 0

    def __post_init__(self) -> None:
        """Start the accounting."""
        self._accounting = Accounting(self.stack.data)
        self._rate = FIRST_RATE
        self._url = f"http://{LOOPBACK}:{self.stack.port}/v2/lookup"

    def saturated(self, connections: int) -> dict[str, Any]:
        """Measure with a number of connections in a closed loop."""
        drive = partial(closed_loop, self._url, self.queries.path, connections=connections)
        warm_up = self._drive(drive, WARM_UP, self._rate)
        self._rate = max(warm_up.requests / warm_up.seconds, 1.0)
        self.progress(f"lookups at {connections} connections for {self.seconds:g} s")
        return {"connections": connections, **self._window(drive)}

    def at_rate(self, rate: float) -> dict[str, Any]:
        """Measure at a rate of requests per second in an open loop."""
        drive = partial(
            open_loop, self._url, self.queries.path, connections=OPEN_LOOP_CONNECTIONS, rate=rate
        )
        self._rate = rate
        self._drive(drive, WARM_UP, rate)
        self.progress(f"lookups at {rate:.0f} per second for {self.seconds:g} s")
        return {"rate": round(rate, 1), **self._window(drive)}

    def overloaded(self, multiple: float, highest: float, normal: float) -> dict[str, Any]:
        """Measure an open loop at a multiple of the highest rate, and the time after it.

        Args:
            multiple: the rate in units of `highest`.
            highest: the highest rate that a closed loop has reached, in requests per second.
            normal: a rate that the stack sustains, which is measured after `RECOVERY` seconds.
        """
        rate = multiple * highest
        drive = partial(
            open_loop, self._url, self.queries.path, connections=OVERLOAD_CONNECTIONS, rate=rate
        )
        self._rate = rate
        self.progress(f"lookups at {multiple:g} times the highest rate for {self.seconds:g} s")
        window = self._window(drive)
        answers = window["answers"]
        right = answers["found"] + answers["none"] - answers["unexpected"]
        time.sleep(RECOVERY)
        return {
            "multiple": multiple,
            "rate": round(rate, 1),
            "right_share_of_highest": round(right / window["seconds"] / highest, 3),
            **window,
            "afterwards": self.at_rate(normal),
        }

    def memory_after(self, lookups: int) -> dict[str, Any]:
        """Send lookups until the stack has answered this total number. Return its memory."""
        self.progress(f"continuing to {lookups} lookups")
        drive = partial(closed_loop, self._url, self.queries.path, connections=MEMORY_CONNECTIONS)
        while self.answered < lookups:
            seconds = min(MAX_SECONDS, (lookups - self.answered) / self._rate)
            load = self._drive(drive, max(1.0, seconds), self._rate)
            self._rate = load.requests / load.seconds
        return {
            "lookups": self.answered,
            "lookup_workers_rss_mb": self._accounting.rss("lookup_workers"),
            "memory_mb": self._accounting.memory(),
        }

    def _drive(self, drive: Drive, seconds: float, rate: float) -> WrkReport:
        load = drive(self.queries.provide(round(rate * seconds * RESERVE) + 100), seconds=seconds)
        self.queries.used(load.sent)
        self.answered += load.requests
        return load

    def _window(self, drive: Drive) -> dict[str, Any]:
        """Measure one window. CPU times of the stack are from its start to its end."""
        span = self.queries.provide(round(self._rate * self.seconds * RESERVE) + 100)
        if self.batches is not None:
            self.batches.read()
        cpu, machine, start = self._accounting.cpu(), _busy_seconds(), time.perf_counter()
        load = drive(span, seconds=self.seconds)
        took = time.perf_counter() - start
        used, machine_used = self._accounting.cpu(), _busy_seconds() - machine
        self.queries.used(load.sent)
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
        return {"batches": summarize_batches(self.batches.read(), requests)}


def count_batches(stats: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the number of received batches.

    Args:
        stats: Celery's statistics of each worker.
    """
    return sum(each["total"].get(name, 0) for each in stats.values() for name in FIRST_TASKS)


def summarize_batches(batches: int, requests: int) -> Mapping[str, Any]:
    """Return the number of batches and the mean number of requests in one."""
    return {"count": batches, **({"mean": round(requests / batches, 1)} if batches else {})}


def _figures(load: WrkReport) -> dict[str, Any]:
    return {
        "seconds": round(load.seconds, 2),
        "requests": load.requests,
        "requests_per_second": round(load.requests / load.seconds, 1),
        "latency_ms": load.latency_ms,
        "answers": {
            "known": load.known,
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


def _busy_seconds() -> float:
    """Return the busy seconds of all cores together since the start of the machine."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times[:8])) - idle
