"""``acoustid bench overload``: lookups at multiples of the highest rate, and the time after it."""

from collections.abc import Sequence
from typing import Any, Final

import click

from bench.lookup.command import CACHE
from bench.lookup.queries import QueryFile, QuerySource
from bench.lookup.windows import LookupMeter
from bench.lookup.wrk import find_wrk
from bench.options import NumberList, connections_option, progress, seconds_option
from bench.stack.plan import Plan, plan_options
from cli.argument_checks import CheckedCommand

NORMAL_SHARE: Final = 0.5
"""Share of the highest rate at which the latency is measured before and after an overload."""


@click.command(cls=CheckedCommand)
@plan_options
@connections_option("32,128")
@seconds_option(10.0)
@click.option(
    "--multiples",
    type=NumberList(1),
    default="2,10",
    show_default=True,
    metavar="N,N",
    help="Rates of the open loops, in units of the highest rate.",
)
def overload(
    *, plan: Plan, connections: Sequence[int], seconds: float, multiples: Sequence[int]
) -> None:
    """Measure lookups above the highest rate: right answers, refusals, latency, recovery.

    The highest rate is that of the best closed loop. The load driver competes with the stack for
    the processors, unless `--cpus` separates them.
    """
    find_wrk()
    with plan.data() as data, plan.stack(data, {CACHE: "false"}) as stack:
        queries = QueryFile(QuerySource(plan.catalogue), data.root / "queries.txt")
        meter = LookupMeter(stack, queries, None, seconds, progress)
        closed = [meter.saturated(each) for each in connections]
        highest = max(each["requests_per_second"] for each in closed)
        normal = NORMAL_SHARE * highest
        figures: dict[str, Any] = {
            "closed": closed,
            "before": meter.at_rate(normal),
            "overload": [meter.overloaded(each, highest, normal) for each in multiples],
        }
    plan.report("overload", figures)
