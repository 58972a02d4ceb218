"""Stacks that run side by side take turns: each is measured while the others are idle."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bench.lookup.command import MOST_WRONG
from bench.lookup.queries import QueryFile
from bench.lookup.windows import Lookups
from bench.stack.options import progress
from bench.turns.ratios import Sample
from cli.errors import StackError

Item = TypeVar("Item")


def order(items: Sequence[Item], turn: int) -> list[Item]:
    """Return the order of a round: another one begins in each, and each direction is as frequent.

    Two take the turns AB BA BA AB, and so on.
    """
    shift = turn % len(items)
    shifted = [*items[shift:], *items[:shift]]
    return shifted[::-1] if turn // len(items) % 2 else shifted


def take_turns(
    lookups: Mapping[str, Lookups], queries: QueryFile, connections: Sequence[int], rounds: int
) -> list[Sample]:
    """Measure every variant in every round, at every number of connections.

    All windows ask the same queries, so that none has the easier ones.

    Args:
        lookups: by the names of the variants.
        queries: that they all read.
        connections: one window for each.
        rounds: how many there are.

    Raises:
        StackError: an answer was refused or is missing, or too many are wrong.
    """
    samples = []
    for turn in range(rounds):
        progress(f"round {turn + 1} of {rounds}")
        for each in connections:
            for name in order(list(lookups), turn):
                queries.rewind()
                window = lookups[name].saturated(each)
                samples.append(take_sample(name, turn, window))
    return samples


def take_sample(variant: str, turn: int, window: Mapping[str, Any]) -> Sample:
    """Return what is compared of a window's figures.

    Raises:
        StackError: an answer was refused or is missing, or too many are wrong.
    """
    answers, requests = window["answers"], window["requests"]
    failed = answers["refused"] or answers["errors"] or not requests
    if failed or answers["unexpected"] > MOST_WRONG * requests:
        raise StackError(
            f"{variant}, round {turn + 1}, {window['connections']} connections: of {requests} "
            f"answers {answers['refused']} were refused and {answers['unexpected']} are wrong, "
            f"and {answers['errors']} requests failed: the figures mean nothing"
        )
    latency = window["latency_ms"]
    return Sample(
        variant=variant,
        turn=turn,
        connections=window["connections"],
        cpu_ms=window["cpu_ms_per_request"],
        rate=window["requests_per_second"],
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
    )
