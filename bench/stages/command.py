"""``acoustid bench stages``: a lookup's stages hop by hop, in one worker call, and alone."""

from collections.abc import Sequence
from typing import Any, Final

import click

from bench.lookup.batches import BatchCount
from bench.lookup.command import check_answers
from bench.lookup.drivers import find_wrk
from bench.lookup.queries import QueryFile, QuerySource
from bench.lookup.windows import Lookups
from bench.stack.options import Numbers, Plan, plan_options, progress
from bench.stack.stack import Stack
from bench.stages import costs
from cli.stack.data_directory import DataDir

FUSE: Final = "ACOUSTID_CELERY_FUSE_LOOKUP_STAGES"


@click.command()
@plan_options
@click.option("--connections", type=Numbers(1), default="1,32,128", show_default=True)
@click.option("--seconds", type=click.FloatRange(1, 60), default=10.0, show_default=True)
@click.option("--meta", default="", help="What each lookup asks to be told.  [default: nothing]")
def stages(*, plan: Plan, connections: Sequence[int], seconds: float, meta: str) -> None:
    """Compare lookups whose stages are messages with lookups that one worker call answers.

    The same windows run twice, on two stacks that differ in `[celery] fuse_lookup_stages` alone.
    Then each stage is called by itself, without Celery: what it costs is the domain's own share.
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
                    figures["alone"] = costs.measure(stack.settings, source)
    plan.report("stages", figures)


def _windows(
    stack: Stack, data: DataDir, source: QuerySource, connections: Sequence[int], seconds: float
) -> list[dict[str, Any]]:
    queries = QueryFile(source, data.root / "queries.txt")
    check_answers(stack, source, queries)
    lookups = Lookups(stack, queries, BatchCount(stack.settings), seconds, progress)
    return [lookups.saturated(each) for each in connections]
