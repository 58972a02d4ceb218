"""``acoustid bench stages``: the stages of a lookup as messages, in one call, and alone.

The figures of stages alone are of this process, without Celery and HTTP. On an idle machine the
difference between elapsed and CPU time is mainly the work of PostgreSQL.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import click

from bench.lookup.checks import check_answers
from bench.lookup.queries import QueryFile, QuerySource
from bench.lookup.windows import BatchCounter, LookupMeter
from bench.lookup.wrk import find_wrk
from bench.measuring import Stopwatch
from bench.options import connections_option, meta_option, progress, seconds_option
from bench.stack.launch import LoadedStack
from bench.stack.plan import Plan, plan_options
from cli.argument_checks import CheckedCommand
from cli.stack.data_directory import DataDir
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
BATCHES: Final = 30  # batches of each size, after the warm-up
WARM_UP: Final = 3
FUSE: Final = "ACOUSTID_CELERY_FUSE_LOOKUP_STAGES"


@click.command(cls=CheckedCommand)
@plan_options
@connections_option("1,32,128")
@seconds_option(10.0)
@meta_option
def stages(*, plan: Plan, connections: Sequence[int], seconds: float, meta: str) -> None:
    """Compare lookups with one message per stage with lookups in one worker call.

    The same windows run on two stacks that differ only in `[celery] fuse_lookup_stages`. Then each
    stage is called alone, without Celery.
    """
    find_wrk()
    source = QuerySource(plan.catalogue, meta)
    figures: dict[str, Any] = {"queries": {"meta": meta}}
    with plan.data() as data:
        for name, fuse in (("hop_by_hop", "false"), ("fused", "true")):
            with plan.stack(data, {FUSE: fuse}) as stack:
                progress(f"stages {name}")
                figures[name] = _windows(stack, data, source, connections, seconds)
                if fuse == "true":
                    progress("stages alone")
                    figures["alone"] = measure_stages(stack.settings, source)
    plan.report("stages", figures)


def _windows(
    stack: LoadedStack,
    data: DataDir,
    source: QuerySource,
    connections: Sequence[int],
    seconds: float,
) -> list[dict[str, Any]]:
    queries = QueryFile(source, data.root / "queries.txt")
    check_answers(stack, source, queries)
    meter = LookupMeter(stack, queries, BatchCounter(stack.settings), seconds, progress)
    return [meter.saturated(each) for each in connections]


@dataclass
class StageRunner:
    """Runs batches through the stages and measures each stage."""

    index: OpenIndex
    databases: Databases
    store: TrustedStore | None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def run(self, batch: LookupBatch) -> None:
        """Run all stages of one batch."""
        time_stage = self.stopwatch.time
        batch = time_stage("validate", lambda: validate_lookups(batch))
        batch = time_stage("dedupe", lambda: dedupe_lookups(batch))
        batch = time_stage(
            "score", lambda: score_lookups(batch, self.index, self.databases, self.store)
        )
        time_stage("describe", lambda: describe_lookups(batch, self.databases))
        time_stage("message", lambda: from_message(LookupBatch, to_message(batch)))


def measure_stages(settings: Settings, source: QuerySource) -> list[dict[str, Any]]:
    """Return the µs per lookup of every stage, for several batch sizes.

    ``message`` is the serialisation of a batch and its parsing, without the broker.
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
                _measure(StageRunner(index, databases, used), source, numbers, size)
                for size in SIZES
            ]
    finally:
        databases.dispose()


def _measure(
    stages: StageRunner, source: QuerySource, numbers: Iterator[int], size: int
) -> dict[str, Any]:
    for _ in range(WARM_UP):
        stages.run(make_batch(source, numbers, size))
    stages.stopwatch.clear()
    for _ in range(BATCHES):
        stages.run(make_batch(source, numbers, size))
    return {"batch": size, "us_per_lookup": stages.stopwatch.median_micros(size)}


def make_batch(source: QuerySource, numbers: Iterator[int], size: int) -> LookupBatch:
    """Return a batch of the next queries, each from a separate request."""
    queries = [source.query(next(numbers)) for _ in range(size)]
    lookups = [
        Lookup(request=number, duration=query.duration, fingerprint=compress(query.words))
        for number, query in enumerate(queries)
    ]
    deadline = time.time() + 60
    return LookupBatch("bench", "bench", deadline, [source.meta] * size, lookups)
