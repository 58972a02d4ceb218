"""``acoustid bench lookup``: lookups over HTTP with several numbers of connections."""

from collections.abc import Sequence
from typing import Any, Final

import click

from bench.lookup.checks import check_answers
from bench.lookup.queries import KNOWN_SHARE, QueryFile, QuerySource
from bench.lookup.windows import BatchCounter, LookupMeter
from bench.lookup.wrk import find_wrk
from bench.measuring import measure_steadiness
from bench.options import NumberList, connections_option, meta_option, progress, seconds_option
from bench.stack.plan import Plan, plan_options
from cli.argument_checks import CheckedCommand

CACHE: Final = "ACOUSTID_API_ANSWER_CACHE"


@click.command(cls=CheckedCommand)
@plan_options
@connections_option("1,4,32,128")
@seconds_option(10.0)
@click.option(
    "--at-share",
    type=click.FloatRange(0, 0.95),
    default=0.7,
    show_default=True,
    help="One more window at this share of the highest measured rate; 0 for none.",
)
@meta_option
@click.option(
    "--distinct",
    type=click.IntRange(1),
    help="Repeat this number of different queries.  [default: no repetition]",
)
@click.option(
    "--memory-after",
    type=NumberList(1),
    default=(),
    metavar="N,N",
    help="Before the windows, report the memory after these total numbers of lookups.",
)
def lookup(
    *,
    plan: Plan,
    connections: Sequence[int],
    seconds: float,
    at_share: float,
    meta: str,
    distinct: int | None,
    memory_after: Sequence[int],
) -> None:
    """Measure lookups: rate, latency, batches, and cost by part of the stack.

    80 % of the queries are degraded copies of fingerprints in the catalogue, 20 % are unknown.
    """
    find_wrk()
    progress("measuring the steadiness of the machine")
    steady = measure_steadiness()
    # Without repeated queries the answer cache only costs time.
    caching = plan.options.settings.get(CACHE, "true" if distinct else "false")
    with (
        plan.data() as data,
        plan.stack(data, {CACHE: caching}) as stack,
    ):
        source = QuerySource(plan.catalogue, meta, distinct)
        queries = QueryFile(source, data.root / "queries.txt")
        meter = LookupMeter(stack, queries, BatchCounter(stack.settings), seconds, progress)
        figures: dict[str, Any] = {
            "steadiness": steady,
            "queries": {"known_share": KNOWN_SHARE, "meta": meta, "distinct": distinct},
            "answer_cache": caching,
            "checks": check_answers(stack, source, queries),
        }
        if memory_after:  # first, since the windows send more lookups
            figures["memory_after"] = [meter.memory_after(each) for each in sorted(memory_after)]
        figures["windows"] = [meter.saturated(each) for each in connections]
        if at_share:
            highest = max(each["requests_per_second"] for each in figures["windows"])
            figures["at_share"] = {"share": at_share, **meter.at_rate(at_share * highest)}
    plan.report("lookup", figures)
