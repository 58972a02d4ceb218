"""Measures stacks in turns: one at a time, while the others are idle."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from bench.lookup.checks import MAX_WRONG
from bench.lookup.queries import QueryFile
from bench.lookup.windows import LookupMeter
from bench.options import progress
from bench.turns.ratios import WindowResult
from cli.errors import StackError

T = TypeVar("T")


def order(items: Sequence[T], turn: int) -> list[T]:
    """Return the order of a round.

    The first item changes with each round, and both directions are equally frequent. The order of
    two items is AB, BA, BA, AB, and so on.
    """
    shift = turn % len(items)
    shifted = [*items[shift:], *items[:shift]]
    return shifted[::-1] if turn // len(items) % 2 else shifted


def take_turns(
    meters: Mapping[str, LookupMeter], queries: QueryFile, connections: Sequence[int], rounds: int
) -> list[WindowResult]:
    """Measure every variant in every round, at every number of connections.

    All windows send the same queries.

    Args:
        meters: the meters by the names of the variants.
        queries: the file that all of them read.
        connections: the numbers of connections, one window for each.
        rounds: the number of rounds.

    Raises:
        StackError: a request failed or was refused, or too many results are wrong.
    """
    samples = []
    for turn in range(rounds):
        progress(f"round {turn + 1} of {rounds}")
        for each in connections:
            for name in order(list(meters), turn):
                queries.rewind()
                window = meters[name].saturated(each)
                samples.append(to_result(name, turn, window))
    return samples


def to_result(variant: str, turn: int, window: Mapping[str, Any]) -> WindowResult:
    """Return the compared figures of a window.

    Raises:
        StackError: a request failed or was refused, or too many results are wrong.
    """
    answers, requests = window["answers"], window["requests"]
    failed = answers["refused"] or answers["errors"] or not requests
    if failed or answers["unexpected"] > MAX_WRONG * requests:
        raise StackError(
            f"{variant}, round {turn + 1}, {window['connections']} connections: {requests} replies,"
            f" {answers['refused']} refused, {answers['errors']} requests failed, "
            f"{answers['unexpected']} wrong results: the figures are invalid"
        )
    latency = window["latency_ms"]
    return WindowResult(
        variant=variant,
        turn=turn,
        connections=window["connections"],
        cpu_ms=window["cpu_ms_per_request"],
        rate=window["requests_per_second"],
        p50_ms=latency["p50"],
        p99_ms=latency["p99"],
    )
