"""``acoustid bench turns``: compares checkouts and settings by measuring them in turns."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.catalogue.content import BenchCatalogue
from bench.lookup.checks import check_answers
from bench.lookup.queries import KNOWN_SHARE, QueryFile, QuerySource
from bench.lookup.windows import LookupMeter
from bench.lookup.wrk import find_wrk
from bench.measuring import measure_steadiness
from bench.options import connections_option, meta_option, output_option, progress, seconds_option
from bench.stack.checkouts import Checkout
from bench.stack.launch import StackOptions
from bench.stack.plan import Plan, fingerprints_option, seed_option, workers_option
from bench.turns.ratios import WindowResult, medians, ratios, table
from bench.turns.rounds import take_turns
from bench.turns.variants import (
    NO_ANSWER_CACHE,
    Variant,
    comparisons,
    make_variants,
    progress_of,
    read_switches,
    running_variants,
)
from cli.argument_checks import CheckedCommand


@click.command(cls=CheckedCommand)
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Compare this checkout with another one, in which `make install` has run.",
)
@click.option(
    "--switch",
    "switches",
    multiple=True,
    callback=read_switches,
    metavar="SECTION.OPTION=VALUE",
    help="Compare a setting with the default. Several settings with spaces between them form one "
    "variant. May be repeated.",
)
@click.option(
    "--rounds", type=click.IntRange(1), default=9, show_default=True, help="Number of rounds."
)
@connections_option("1,32,128")
@seconds_option(5.0)
@meta_option
@fingerprints_option
@seed_option
@workers_option
@click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False, resolve_path=True),
    help="Keep the loaded catalogues here and reuse them for the same commits.  "
    "[default: temporary directories]",
)
@output_option
def turns(  # noqa: PLR0913 - one for each option
    *,
    against: Path | None,
    switches: Mapping[str, Mapping[str, str]],
    rounds: int,
    connections: Sequence[int],
    seconds: float,
    meta: str,
    fingerprints: int,
    seed: int,
    workers: int | None,
    data_root: Path | None,
    output: Path | None,
) -> None:
    """Compare this checkout with another one, or settings with the defaults, by lookups.

    Each variant has its own stack. All stacks run at the same time, and one is measured at a time.
    A ratio compares two windows of one round, so changes of the machine's speed have little effect.
    It is this checkout to the other one, or a setting to the default.
    """
    if not against and not switches:
        raise click.UsageError("nothing to compare: give --against or --switch")
    find_wrk()
    variants = make_variants(Checkout.at(against) if against else None, switches)
    options = StackOptions(workers or os.cpu_count() or 1, settings=NO_ANSWER_CACHE)
    plan = Plan(BenchCatalogue(fingerprints, seed), options, None, output)
    source = QuerySource(plan.catalogue, meta)
    progress("measuring the steadiness of the machine")
    steady = measure_steadiness()
    with (
        tempfile.TemporaryDirectory(prefix="acoustid-bench-") as folder,
        running_variants(variants, plan.catalogue, options, data_root) as started,
    ):
        queries = QueryFile(source, Path(folder) / "queries.txt")
        checks = {}
        for name, stack in started.items():
            queries.rewind()
            checks[name] = check_answers(stack, source, queries)
        meters = {
            name: LookupMeter(each, queries, None, seconds, progress_of(name))
            for name, each in started.items()
        }
        samples = take_turns(meters, queries, connections, rounds)
    figures: dict[str, Any] = {
        "steadiness": steady,
        "queries": {"known_share": KNOWN_SHARE, "meta": meta},
        "rounds": rounds,
        "seconds": seconds,
        "ratios": [ratios(samples, of, to) for of, to in comparisons(variants)],
        "variants": [_describe(each, checks[each.name], samples) for each in variants],
        "samples": [asdict(each) for each in samples],
    }
    plan.report("turns", figures)
    click.echo(f"\n{table(figures)}", err=True)


def _describe(
    variant: Variant, checks: Mapping[str, Any], samples: Sequence[WindowResult]
) -> dict[str, Any]:
    return {
        "name": variant.name,
        "commit": variant.commit,
        "settings": variant.settings,
        "checks": checks,
        "windows": medians(samples, variant.name),
    }
