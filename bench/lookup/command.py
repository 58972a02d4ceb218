"""``acoustid bench lookup``: lookups over HTTP, at several numbers of connections."""

from collections.abc import Sequence
from typing import Any, Final

import click

from bench import steadiness
from bench.lookup.batches import BatchCount
from bench.lookup.checks import VERDICTS, check
from bench.lookup.drivers import find_wrk
from bench.lookup.queries import KNOWN_SHARE, QueryFile, QuerySource
from bench.lookup.windows import Lookups
from bench.stack.options import Numbers, Plan, plan_options, progress
from bench.stack.stack import Started
from cli.errors import StackError

CACHE: Final = "ACOUSTID_API_ANSWER_CACHE"
CHECKED: Final = 300  # queries whose answers are compared, besides those of real recordings
MOST_WRONG: Final = 0.01  # share of them beyond which the figures are not to be trusted


@click.command()
@plan_options
@click.option(
    "--connections",
    type=Numbers(1),
    default="1,4,32,128",
    show_default=True,
    help="One window for each.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 60),
    default=10.0,
    show_default=True,
    help="Length of a window, after 2 s to warm up.",
)
@click.option(
    "--at-share",
    type=click.FloatRange(0, 0.95),
    default=0.7,
    show_default=True,
    help="One more window at this share of the highest rate measured; 0 for none.",
)
@click.option("--meta", default="", help="What each lookup asks to be told.  [default: nothing]")
@click.option(
    "--distinct",
    type=click.IntRange(1),
    help="Ask only so many different queries, again and again.  [default: no repetition]",
)
@click.option(
    "--memory-after",
    type=Numbers(1),
    default=(),
    metavar="N,N",
    help="Tell the memory after so many lookups of the stack's life, before the windows.",
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
    """Measure lookups: rate, latency, batches, and what they cost, by the part of the stack.

    80 % of the queries are degraded copies of fingerprints of the catalogue, 20 % are of none.
    """
    find_wrk()
    progress("looking how steadily the machine works")
    steady = steadiness.measure()
    # Queries that do not repeat gain nothing from kept answers, and should not pay for the keeping.
    caching = plan.options.settings.get(CACHE, "true" if distinct else "false")
    with (
        plan.data() as data,
        plan.stack(data, {CACHE: caching}) as stack,
    ):
        source = QuerySource(plan.catalogue, meta, distinct)
        queries = QueryFile(source, data.root / "queries.txt")
        lookups = Lookups(stack, queries, BatchCount(stack.settings), seconds, progress)
        figures: dict[str, Any] = {
            "steadiness": steady,
            "queries": {"known_share": KNOWN_SHARE, "meta": meta, "distinct": distinct},
            "answer_cache": caching,
            "checks": check_answers(stack, source, queries),
        }
        if memory_after:  # first, since the windows ask more
            figures["memory_after"] = [lookups.memory_after(each) for each in sorted(memory_after)]
        figures["windows"] = [lookups.saturated(each) for each in connections]
        if at_share:
            highest = max(each["requests_per_second"] for each in figures["windows"])
            figures["at_share"] = {"share": at_share, **lookups.at_rate(at_share * highest)}
    plan.report("lookup", figures)


def check_answers(stack: Started, source: QuerySource, queries: QueryFile) -> dict[str, Any]:
    """Compare the answers to a sample of the queries, and to all real ones, with the right ones.

    Raises:
        StackError: too many are wrong for a measurement to mean anything.
    """
    progress("checking answers")
    found = {
        "sample": check(stack.port, queries.sample(CHECKED)),
        "real": check(stack.port, list(source.real())),
    }
    for name, verdicts in found.items():
        wrong = sum(verdicts[each] for each in VERDICTS if each != "right")
        if wrong > MOST_WRONG * verdicts["asked"]:
            raise StackError(f"answers are wrong ({name}): {verdicts}")
    return found
