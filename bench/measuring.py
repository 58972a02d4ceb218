"""Measures CPU time, elapsed time, memory and the steadiness of the machine."""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import numpy as np
import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MEMORY_FIELDS: Final = {"VmHWM": "peak_rss_mb", "VmRSS": "rss_mb", "RssAnon": "anonymous_mb"}

STEADINESS_SECONDS: Final = 3.0
SPAN: Final = 0.05  # seconds
_NUMBERS_PER_STEP: Final = 2_000  # numbers to add between two readings of the clock


class Stopwatch:
    """Measures pieces of work by name: CPU time of this process and elapsed time."""

    def __init__(self) -> None:
        self._times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def time(self, name: str, work: Callable[[], Result]) -> Result:
        """Run `work`, store its times and return its result."""
        cpu, clock = time.process_time(), time.perf_counter()
        result = work()
        self._times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
        return result

    def clear(self) -> None:
        """Delete all times, such as those of a warm-up."""
        self._times.clear()

    def median_micros(self, units: int) -> dict[str, dict[str, float]]:
        """Return the median µs per unit of each work, as ``{name: {"cpu": …, "clock": …}}``.

        Args:
            units: the number of lookups, or of other items, in one piece of work.
        """
        found = {}
        for name, times in self._times.items():
            cpu, clock = np.median(np.array(times), axis=0) * 1e6 / units
            found[name] = {"cpu": round(float(cpu), 1), "clock": round(float(clock), 1)}
        return found


def in_new_process(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Call a module-level function in a new interpreter, which shares no memory with this one."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def memory() -> dict[str, float]:
    """Return the memory of this process in MB.

    `anonymous_mb` is private memory. The rest of `rss_mb` is mapped files, which the system can
    drop. `peak_rss_mb` is the maximum of `rss_mb`.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = {line.partition(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
    return {name: round(int(found[field]) / 1e3, 1) for field, name in MEMORY_FIELDS.items()}


def drop_page_cache(folder: Path) -> None:
    """Drop the files of a folder from the page cache. Pages that a process maps stay."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def describe_machine() -> dict[str, Any]:
    """Return the properties of the machine that the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def measure_steadiness() -> dict[str, Any]:
    """Load all cores for 3 s and return how much their speed varies; see `summarize_steadiness`.

    A core that is shared with other virtual machines may run at two thirds of its speed for 0.1 s.
    At a higher load than that, requests queue, which raises the p99 of latencies.
    """
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        return summarize_steadiness(list(pool.map(measure_speeds, [STEADINESS_SECONDS] * cores)))


def measure_speeds(seconds: float) -> list[float]:
    """Work for some seconds. Return the steps per second in each `SPAN`."""
    found = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        done = 0
        while (now := time.perf_counter()) < start + SPAN:
            sum(range(_NUMBERS_PER_STEP))
            done += 1
        found.append(done / (now - start))
    return found


def summarize_steadiness(cores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the 10th and the 1st percentile of the speed as shares of the median speed.

    Args:
        cores: the speed of each core in each span.
    """
    shares = np.concatenate([np.asarray(each) / np.median(each) for each in cores])
    return {
        "span_ms": round(1000 * SPAN),
        "slowest_tenth": round(float(np.percentile(shares, 10)), 2),
        "slowest_hundredth": round(float(np.percentile(shares, 1)), 2),
    }
