"""Runs probes of servers in threads. Requests that arrive at about the same time share a result."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from pipeline.runtime.links.deadline import ends_within

DEADLINE: Final = 2.0
"""Maximum time in seconds of a probe."""

SHARED: Final = 1.0
"""Seconds for which the result of a probe is used again."""

Probe = Callable[[], object]

logger = structlog.get_logger("acoustid.api.health.probe_runner")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a probe.

    Attributes:
        value: the result of the probe; None if it failed.
        failed: whether it raised an exception or exceeded its deadline.
        ended: time of its end, on the monotonic clock.
    """

    value: object
    failed: bool
    ended: float


@dataclass(frozen=True, slots=True)
class _Run:
    future: "Future[Outcome]"
    due: float


class ProbeRunner:
    """Runs the probes of one process. Thread-safe.

    A probe that is running is not started again: other requests wait for its result until its
    deadline. So a probe that hangs occupies one thread only, and it delays only the first requests.

    Args:
        probes: the functions by name. Any exception means that the probe failed.
        deadline: maximum time in seconds of a probe.
        shared: seconds for which a result is used again.
    """

    def __init__(self, probes: Mapping[str, Probe], deadline: float, shared: float) -> None:
        self._probes = probes
        self._deadline = deadline
        self._shared = shared
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._runs: dict[str, _Run] = {}

    def run(self, names: Iterable[str]) -> dict[str, Outcome]:
        """Run probes in parallel, and return the outcome of each."""
        runs = {name: self._start(name) for name in names}
        return {name: _outcome(name, run) for name, run in runs.items()}

    def close(self) -> None:
        """Refuse further probes."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self, name: str) -> _Run:
        now = time.monotonic()
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(len(self._probes), thread_name_prefix="health")
            run = self._runs.get(name)
            if run is None or self._is_old(run, now):
                future = self._executor.submit(_call, name, self._probes[name], self._deadline)
                run = self._runs[name] = _Run(future, now + self._deadline)
            return run

    def _is_old(self, run: _Run, now: float) -> bool:
        # The future is done, so `result` does not wait.
        return run.future.done() and now >= run.future.result().ended + self._shared


def _call(name: str, probe: Probe, seconds: float) -> Outcome:
    try:
        with ends_within(seconds):
            value = probe()
    except Exception as error:  # noqa: BLE001 - any exception is a failed probe
        logger.warning("a health check failed", check=name, error=repr(error))
        return Outcome(None, failed=True, ended=time.monotonic())
    return Outcome(value, failed=False, ended=time.monotonic())


def _outcome(name: str, run: _Run) -> Outcome:
    try:
        return run.future.result(max(0.0, run.due - time.monotonic()))
    except TimeoutError:
        logger.warning("a health check exceeded its time limit", check=name)
        return Outcome(None, failed=True, ended=time.monotonic())
