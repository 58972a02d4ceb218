"""Measures where a batch of lookups gets its candidates from: rows, or the fingerprint store.

    python -m bench.fingerprint_store [--fingerprints 20000] [--data-dir DIRECTORY]

For batches of 100 lookups it tells the median µs of a lookup's share, once as this process's CPU
and once by the clock, which has PostgreSQL's work in it. ``fetch`` gets words and tracks, ``pack``
lays the words end to end as comparing does, ``compare`` includes that.
``cold`` is the first batch of a reader that has just been opened, its files dropped from memory.
"""

import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import numpy as np

from bench.lookup.queries import QuerySource
from bench.stack.options import Plan, plan_options, progress
from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.ragged import Ragged
from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.following.open_index import open_index
from pipeline.following.update_index import BATCH
from pipeline.following.update_store import rebuild_store
from pipeline.lookups.score import fetch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.rules import (
    LOOKUP_INDEX_LIMIT,
    LOOKUP_INDEX_MIN_SCORE,
    LOOKUP_INDEX_SCORE_PCT,
    LOOKUP_MAX_POSTINGS,
)
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

LOOKUPS: Final = 100  # in a batch
BATCHES: Final = 30
WARM_UP: Final = 3
EVERY_LENGTH: Final = (0, 32767)

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a batch's queries, and the candidates of each."""

    words: list[Words]
    candidates: list[list[int]]


class Clock:
    """Keeps the times of each kind of work."""

    def __init__(self) -> None:
        """Open the books."""
        self.times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    def time(self, name: str, work: Callable[[], Answer]) -> Answer:
        """Do the work and note what it took."""
        cpu, clock = time.process_time(), time.perf_counter()
        answer = work()
        self.times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
        return answer

    def medians(self) -> dict[str, dict[str, float]]:
        """Return the median µs of a lookup's share."""
        found = {}
        for name, times in self.times.items():
            cpu, clock = np.median(np.array(times), axis=0) * 1e6 / LOOKUPS
            found[name] = {"cpu": round(float(cpu), 1), "clock": round(float(clock), 1)}
        return found


def ask(settings: Settings, source: QuerySource) -> list[Asked]:
    """Return batches of queries with the candidates that the index has for them."""
    batches = []
    with open_index(settings.fingerprint_index) as index:
        for number in range(WARM_UP + BATCHES):
            numbers = range(number * LOOKUPS, (number + 1) * LOOKUPS)
            words = [source.query(each).words for each in numbers]
            hits = index.search(
                [extract_query(each) for each in words],
                limit=LOOKUP_INDEX_LIMIT,
                min_score=LOOKUP_INDEX_MIN_SCORE,
                score_pct=LOOKUP_INDEX_SCORE_PCT,
                max_postings=LOOKUP_MAX_POSTINGS,
            )
            batches.append(Asked(words, [found.ids.tolist() for found in hits]))
    return batches


def run(
    batches: Sequence[Asked], databases: Databases, store: TrustedStore | None
) -> dict[str, Any]:
    """Fetch and compare the candidates of all batches; return the times."""
    clock = Clock()
    counts = []
    for number, asked in enumerate(batches):
        if number == WARM_UP:
            clock.times.clear()
        wanted = {key for each in asked.candidates for key in each}
        counts.append(len(wanted))
        fetched = clock.time("fetch", partial(fetch, databases, store, wanted, *EVERY_LENGTH))
        _compare(clock, asked, fetched)
    return {"candidates_in_a_batch": float(np.median(counts)), "us_per_lookup": clock.medians()}


def _compare(clock: Clock, asked: Asked, fetched: Mapping[int, CandidateFingerprint]) -> None:
    rows = [each.words for each in fetched.values()]
    order = {key: place for place, key in enumerate(fetched)}
    pairs = [
        (order[key], number)
        for number, keys in enumerate(asked.candidates)
        for key in keys
        if key in order
    ]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    clock.time("pack", lambda: Ragged.of(rows))
    clock.time("compare", lambda: compare2_batch(rows, asked.words, (left, right)))


def cold(path: Path, asked: Asked, databases: Databases) -> dict[str, float]:
    """Return what the first batch costs a reader whose files are on the disk alone."""
    for file in path.iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    clock = Clock()
    wanted = {key for each in asked.candidates for key in each}
    with closing(TrustedStore(open_store(path), databases)) as store:
        clock.time("fetch", lambda: fetch(databases, store, wanted, *EVERY_LENGTH))
    return {name: times["clock"] for name, times in clock.medians().items()}


@contextmanager
def built(databases: Databases) -> Iterator[Path]:
    """Build a store of its own for the time of the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with open_store_writer(path) as writer:
            rebuild_store(writer, databases, BATCH, lambda _: None)
        yield path


def measure(settings: Settings, source: QuerySource) -> dict[str, Any]:
    """Return all figures."""
    databases = Databases(settings, component="bench")
    batches = ask(settings, source)
    try:
        start = time.perf_counter()
        with (
            built(databases) as path,
            closing(TrustedStore(open_store(path), databases)) as store,
        ):
            seconds = time.perf_counter() - start
            return {
                "build_seconds": round(seconds, 2),
                "size": asdict(open_store(path).stats()),
                "rows": run(batches, databases, None),
                "store": run(batches, databases, store),
                "cold_us_per_lookup": cold(path, batches[0], databases),  # last: it empties caches
            }
    finally:
        databases.dispose()


@click.command()
@plan_options
def fingerprint_store(*, plan: Plan) -> None:
    """Compare candidates from rows with candidates from the fingerprint store."""
    with plan.data() as data, plan.stack(data) as stack:
        progress("measuring")
        figures = measure(stack.settings, QuerySource(plan.catalogue))
    plan.report("fingerprint store", figures)


if __name__ == "__main__":
    fingerprint_store()
