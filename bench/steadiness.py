"""How steadily the machine works while nothing else does.

A core that is shared with strangers may work at two thirds of its speed for a tenth of a second.
Whoever loads it by more than that finds a queue afterwards, which a p99 shows.
"""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final

import numpy as np

SECONDS: Final = 3.0
SPAN: Final = 0.05  # seconds
_WORK: Final = 2_000  # numbers that are added up between two looks at the clock


def measure() -> dict[str, Any]:
    """Keep all cores busy for a moment; see `summary`."""
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        return summary(list(pool.map(speeds, [SECONDS] * cores)))


def speeds(seconds: float) -> list[float]:
    """Work for some seconds; return how much was done in each `SPAN`, per second."""
    found = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        done = 0
        while (now := time.perf_counter()) < start + SPAN:
            sum(range(_WORK))
            done += 1
        found.append(done / (now - start))
    return found


def summary(cores: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the speed in the slower spans as a share of the usual one.

    Args:
        cores: for each core its speeds, span after span.
    """
    shares = np.concatenate([np.asarray(each) / np.median(each) for each in cores])
    return {
        "span_ms": round(1000 * SPAN),
        "slowest_tenth": round(float(np.percentile(shares, 10)), 2),
        "slowest_hundredth": round(float(np.percentile(shares, 1)), 2),
    }
