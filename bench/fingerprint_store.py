"""``acoustid bench fingerprint-store``: candidates from database rows or from the store.

For batches of 100 lookups it prints the median µs per lookup: CPU time of this process, and elapsed
time, which includes PostgreSQL. ``fetch`` reads words and tracks. ``pack`` concatenates the words.
``compare`` computes scores and includes ``pack``. ``cold`` is the first batch of a new reader after
its files were dropped from the page cache.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.lookup.queries import QuerySource
from bench.measuring import Stopwatch, drop_page_cache
from bench.options import progress
from bench.stack.plan import Plan, plan_options
from cli.argument_checks import CheckedCommand
from pipeline.catalog.fingerprint.fingerprints import CandidateFingerprint
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.query import extract_query
from pipeline.fingerprint.ragged import Ragged
from pipeline.fingerprint.words import Words
from pipeline.fingerprint_store import open_store, open_store_writer
from pipeline.following.open_index import open_index
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_follower
from pipeline.lookups.score import fetch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.thresholds import (
    LOOKUP_INDEX_LIMIT,
    LOOKUP_INDEX_MIN_SCORE,
    LOOKUP_INDEX_SCORE_PCT,
)

BATCH_SIZE: Final = 100  # lookups
BATCHES: Final = 30
WARM_UP: Final = 3
EVERY_LENGTH: Final = (0, 32767)  # seconds


@dataclass(frozen=True, slots=True)
class QueryBatch:
    """The words of each query and the ids of its candidates."""

    words: list[Words]
    candidates: list[list[int]]


def draw_batches(settings: Settings, source: QuerySource) -> list[QueryBatch]:
    """Return batches of queries with their candidates from the index."""
    batches = []
    with open_index(settings.fingerprint_index) as index:
        for number in range(WARM_UP + BATCHES):
            numbers = range(number * BATCH_SIZE, (number + 1) * BATCH_SIZE)
            words = [source.query(each).words for each in numbers]
            hits = index.search(
                [extract_query(each) for each in words],
                limit=LOOKUP_INDEX_LIMIT,
                min_score=LOOKUP_INDEX_MIN_SCORE,
                score_pct=LOOKUP_INDEX_SCORE_PCT,
            )
            batches.append(QueryBatch(words, [found.ids.tolist() for found in hits]))
    return batches


def measure_batches(
    batches: Sequence[QueryBatch], databases: Databases, store: TrustedStore | None
) -> dict[str, Any]:
    """Fetch and compare the candidates of all batches. Return the times."""
    stopwatch = Stopwatch()
    counts = []
    for number, batch in enumerate(batches):
        if number == WARM_UP:
            stopwatch.clear()
        wanted = {key for each in batch.candidates for key in each}
        counts.append(len(wanted))
        fetched = stopwatch.time("fetch", partial(fetch, databases, store, wanted, *EVERY_LENGTH))
        _compare(stopwatch, batch, fetched)
    return {
        "candidates_in_a_batch": float(np.median(counts)),
        "us_per_lookup": stopwatch.median_micros(BATCH_SIZE),
    }


def _compare(
    stopwatch: Stopwatch, batch: QueryBatch, fetched: Mapping[int, CandidateFingerprint]
) -> None:
    rows = [each.words for each in fetched.values()]
    order = {key: place for place, key in enumerate(fetched)}
    pairs = [
        (order[key], number)
        for number, keys in enumerate(batch.candidates)
        for key in keys
        if key in order
    ]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    stopwatch.time("pack", lambda: Ragged.of(rows))
    stopwatch.time("compare", lambda: compare2_batch(rows, batch.words, (left, right)))


def measure_cold(path: Path, batch: QueryBatch, databases: Databases) -> dict[str, float]:
    """Return the elapsed µs per lookup of the first batch, with files on the disk only."""
    drop_page_cache(path)
    stopwatch = Stopwatch()
    wanted = {key for each in batch.candidates for key in each}
    with closing(TrustedStore(open_store(path), databases)) as store:
        stopwatch.time("fetch", lambda: fetch(databases, store, wanted, *EVERY_LENGTH))
    return {name: times["clock"] for name, times in stopwatch.median_micros(BATCH_SIZE).items()}


@contextmanager
def temporary_store(databases: Databases) -> Iterator[Path]:
    """Build a store in a temporary folder during the block."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with open_store_writer(path) as writer:
            rebuild_follower(StoreCopy(writer), databases, lambda _: None)
        yield path


def measure(settings: Settings, source: QuerySource) -> dict[str, Any]:
    """Return all figures."""
    databases = Databases(settings, component="bench")
    batches = draw_batches(settings, source)
    try:
        start = time.perf_counter()
        with (
            temporary_store(databases) as path,
            closing(TrustedStore(open_store(path), databases)) as store,
        ):
            seconds = time.perf_counter() - start
            return {
                "build_seconds": round(seconds, 2),
                "size": asdict(open_store(path).stats()),
                "rows": measure_batches(batches, databases, None),
                "store": measure_batches(batches, databases, store),
                "cold_us_per_lookup": measure_cold(
                    path, batches[0], databases
                ),  # last, since it empties caches
            }
    finally:
        databases.dispose()


@click.command(cls=CheckedCommand)
@plan_options
def fingerprint_store(*, plan: Plan) -> None:
    """Compare candidates from database rows with candidates from the store."""
    with plan.data() as data, plan.stack(data) as stack:
        progress("measuring")
        figures = measure(stack.settings, QuerySource(plan.catalogue))
    plan.report("fingerprint store", figures)


if __name__ == "__main__":
    fingerprint_store()
