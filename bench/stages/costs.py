"""What each stage of a lookup costs by itself, in a process without Celery and HTTP.

The figures are of this process alone: what PostgreSQL does for a stage is the difference between
its CPU and the clock, as far as the machine is otherwise idle.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from bench.lookup.queries import QuerySource
from pipeline.fingerprint.codec import compress
from pipeline.fingerprint_store import open_store
from pipeline.following.open_index import OpenIndex, open_index
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.describe import describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import Lookup, LookupBatch, from_message, to_message
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

SIZES: Final = (1, 10, 100)  # lookups in a batch
BATCHES: Final = 30  # of each size, after a few to warm up
WARM_UP: Final = 3

Clock = tuple[float, float]
"""Seconds of CPU and of time."""


@dataclass
class Stages:
    """Runs batches through the stages and keeps the times of each."""

    index: OpenIndex
    databases: Databases
    store: TrustedStore | None

    def __post_init__(self) -> None:
        """Open the books."""
        self.times: dict[str, list[Clock]] = defaultdict(list)

    def run(self, batch: LookupBatch) -> None:
        """Take one batch from what the front end sends to the answers."""
        batch = self._time("validate", lambda: validate_lookups(batch))
        batch = self._time("dedupe", lambda: dedupe_lookups(batch))
        batch = self._time(
            "score", lambda: score_lookups(batch, self.index, self.databases, self.store)
        )
        self._time("describe", lambda: describe_lookups(batch, self.databases))
        self._time("message", lambda: from_message(LookupBatch, to_message(batch)))

    def _time(self, name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it returns
        cpu, clock = time.process_time(), time.perf_counter()
        result = work()
        self.times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
        return result


def measure(settings: Settings, source: QuerySource) -> list[dict[str, Any]]:
    """Return the µs per lookup of every stage, for batches of several sizes.

    ``message`` is the way of a batch into a message and out again, without the broker.
    """
    databases = Databases(settings, component="bench")
    numbers = iter(range(1 << 30))
    try:
        with ExitStack() as stack:
            index = stack.enter_context(open_index(settings.fingerprint_index))
            store = TrustedStore(open_store(settings.fingerprint_store.path), databases)
            stack.callback(store.close)
            used = store if settings.fingerprint_store.enabled else None
            return [
                _measure(Stages(index, databases, used), source, numbers, size) for size in SIZES
            ]
    finally:
        databases.dispose()


def _measure(
    stages: Stages, source: QuerySource, numbers: Iterator[int], size: int
) -> dict[str, Any]:
    for _ in range(WARM_UP):
        stages.run(make_batch(source, numbers, size))
    stages.times.clear()
    for _ in range(BATCHES):
        stages.run(make_batch(source, numbers, size))
    micros = {name: _micros(times, size) for name, times in stages.times.items()}
    return {"batch": size, "us_per_lookup": micros}


def _micros(times: Sequence[Clock], size: int) -> dict[str, float]:
    """Return the median µs of a lookup's share: whatever was disturbed is left out so."""
    cpu, clock = np.median(np.array(times), axis=0) * 1e6 / size
    return {"cpu": round(float(cpu), 1), "clock": round(float(clock), 1)}


def make_batch(source: QuerySource, numbers: Iterator[int], size: int) -> LookupBatch:
    """Return the next queries as the front end sends them, each of a request of its own."""
    queries = [source.query(next(numbers)) for _ in range(size)]
    lookups = [
        Lookup(request=number, duration=query.duration, fingerprint=compress(query.words))
        for number, query in enumerate(queries)
    ]
    deadline = time.time() + 60
    return LookupBatch("bench", "bench", deadline, [source.meta] * size, lookups)
