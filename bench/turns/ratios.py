"""Compares variants: ratios of windows of the same round, medians, and a table."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Any, Final

from bench.stack.processes import PARTS

TOTAL: Final = "total"


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The figures of one window of one variant.

    Attributes:
        variant: the name of the variant.
        turn: the number of the round, from 0.
        connections: the number of connections.
        cpu_ms: the CPU time per request by part of the stack, and their `TOTAL`.
        rate: the number of requests per second.
        p50_ms: the median latency.
        p99_ms: the 99th percentile of the latency.
    """

    variant: str
    turn: int
    connections: int
    cpu_ms: Mapping[str, float]
    rate: float
    p50_ms: float
    p99_ms: float


MEASURES: Final[Mapping[str, Callable[[WindowResult], float]]] = MappingProxyType(
    {
        "cpu": lambda sample: sample.cpu_ms[TOTAL],
        "rate": lambda sample: sample.rate,
        "p50": lambda sample: sample.p50_ms,
        "p99": lambda sample: sample.p99_ms,
    }
)
"""The compared figures by their names in the report."""


def ratios(samples: Sequence[WindowResult], of: str, to: str) -> dict[str, Any]:
    """Return the median, minimum and maximum ratio of two variants over the rounds.

    Each ratio compares two windows of one round, since the machine's speed changes with time.

    Args:
        samples: one result of each variant for each round and number of connections.
        of: the name of the variant in the numerator.
        to: the name of the variant in the denominator.
    """
    windows = []
    for connections in _connections(samples):
        numerators = {each.turn: each for each in _of(samples, of, connections)}
        pairs = [(numerators[each.turn], each) for each in _of(samples, to, connections)]
        found = {
            name: _spread(measure(one) / measure(other) for one, other in pairs)
            for name, measure in MEASURES.items()
        }
        windows.append({"connections": connections, **found})
    return {"of": of, "to": to, "windows": windows}


def medians(samples: Sequence[WindowResult], variant: str) -> list[dict[str, Any]]:
    """Return the medians of a variant's figures for each number of connections."""
    found = []
    for connections in _connections(samples):
        own = _of(samples, variant, connections)
        found.append(
            {
                "connections": connections,
                "cpu_ms_per_request": {
                    part: round(median(each.cpu_ms[part] for each in own), 3)
                    for part in (*PARTS, TOTAL)
                },
                "requests_per_second": round(median(each.rate for each in own), 1),
                "p50_ms": round(median(each.p50_ms for each in own), 3),
                "p99_ms": round(median(each.p99_ms for each in own), 3),
            }
        )
    return found


def table(figures: Mapping[str, Any]) -> str:
    """Return the ratios and medians of a report as a table."""
    return "\n".join([*_ratio_lines(figures), "", *_median_lines(figures)])


def _ratio_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"median (least to greatest) of the ratios of {figures['rounds']} rounds"
    for each in figures["ratios"]:
        yield f"{each['of']} / {each['to']}"
        yield f"{'connections':>12}" + "".join(f"{name:>24}" for name in MEASURES)
        for window in each["windows"]:
            cells = (
                "{median:.2f} ({min:.2f} to {max:.2f})".format(**window[name]) for name in MEASURES
            )
            yield f"{window['connections']:>12}" + "".join(f"{cell:>24}" for cell in cells)


def _median_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    parts = (*PARTS, TOTAL)
    yield "medians: CPU in ms per request by part, requests per second, latency in ms"
    for variant in figures["variants"]:
        yield f"{variant['name']} ({variant['commit'] or 'no commit'})"
        heads = (f"{name:>{_width(name)}}" for name in (*parts, "rate", "p50", "p99"))
        yield f"{'connections':>12}" + "".join(heads)
        for window in variant["windows"]:
            cpu = (f"{window['cpu_ms_per_request'][part]:>{_width(part)}.3f}" for part in parts)
            rest = (window[name] for name in ("requests_per_second", "p50_ms", "p99_ms"))
            yield f"{window['connections']:>12}" + "".join(
                [*cpu, *(f"{each:>{_width('')}.1f}" for each in rest)]
            )


def _width(head: str) -> int:
    return max(9, len(head) + 2)


def _spread(values: Iterable[float]) -> dict[str, float]:
    found = sorted(values)
    return {
        "median": round(median(found), 3),
        "min": round(found[0], 3),
        "max": round(found[-1], 3),
    }


def _connections(samples: Iterable[WindowResult]) -> list[int]:
    return sorted({each.connections for each in samples})


def _of(samples: Iterable[WindowResult], variant: str, connections: int) -> list[WindowResult]:
    return [each for each in samples if (each.variant, each.connections) == (variant, connections)]
