"""Draws the figures of ``bench index`` and ``bench lookup``. Needs the extra `bench`."""

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from bench.options import check_folder
from cli.argument_checks import CheckedCommand
from cli.errors import StackError

Series = dict[str, tuple[str, ...]]

INDEX_PANELS: Final[dict[str, Series]] = {
    "search, exact: CPU µs": {
        "alone": ("search", "exact", "alone", "cpu_us"),
        "in batches of 100": ("search", "exact", "batch_100", "cpu_us"),
    },
    "search, at most 10,000 postings: CPU µs": {
        "alone": ("search", "limited", "alone", "cpu_us"),
        "in batches of 100": ("search", "limited", "batch_100", "cpu_us"),
    },
    "bytes per document": {"": ("bytes_per_document",)},
    "inserts per second": {"": ("build", "inserts_per_second")},
}
"""Title of each panel, and the path of the figure of each of its lines."""

LOOKUP_PANELS: Final = {
    "lookups per second": ("requests_per_second",),
    "latency, p50 ms": ("latency_ms", "p50"),
    "latency, p99 ms": ("latency_ms", "p99"),
}
"""Title of each panel, and the path of its figure in a window."""


def require_plotting() -> None:
    """Raise `StackError` if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise StackError("charts need matplotlib: pip install -e '.[bench]'")


def plot_index(sizes: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the figures of several index sizes. The suffix of `path` is the image format."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(10, 7), layout="constrained")
    documents = [each["documents"] for each in sizes]
    for axes, (title, series) in zip(figure.subplots(2, 2).flat, INDEX_PANELS.items(), strict=True):
        for label, keys in series.items():
            values = [value_at(each, keys) for each in sizes]
            axes.plot(documents, values, marker="o", label=label)
            for place in zip(documents, values, strict=True):
                axes.annotate(f"{place[1]:,.0f}", place, (0, 6), textcoords="offset points")
        axes.set(title=title, xlabel="documents", xscale="log")
        axes.margins(0.15)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        if any(series):
            axes.legend()
    figure.savefig(path, dpi=110)


def value_at(figures: dict[str, Any], keys: Sequence[str]) -> float:
    """Return a figure of a report by its path."""
    found: Any = figures
    for key in keys:
        found = found[key]
    return float(found)


@click.command(cls=CheckedCommand)
@click.argument(
    "reports", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=check_folder,
    help="Image file, such as docs/lookup-rates.png.",
)
def lookup_plot(*, reports: Sequence[Path], output: Path) -> None:
    """Draw rates and latencies of REPORTS against connections, one line per report."""
    require_plotting()
    plot_lookups([read_lookup_report(report) for report in reports], output)


def read_lookup_report(path: Path) -> dict[str, Any]:
    """Read a report of `acoustid bench lookup`.

    Raises:
        StackError: the file is none.
    """
    try:
        report: dict[str, Any] = json.loads(path.read_bytes())
        int(report["catalogue"]["fingerprints"])
        for window in report["windows"]:
            int(window["connections"])
            for keys in LOOKUP_PANELS.values():
                value_at(window, keys)
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"{path} is no report of `acoustid bench lookup`") from error
    return report


def plot_lookups(reports: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw rates and latencies of some reports. The suffix of `path` is the image format."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(12, 4), layout="constrained")
    shown = sorted({window["connections"] for report in reports for window in report["windows"]})
    for axes, (title, keys) in zip(
        figure.subplots(1, len(LOOKUP_PANELS)), LOOKUP_PANELS.items(), strict=True
    ):
        for report in reports:
            windows = report["windows"]
            connections = [window["connections"] for window in windows]
            values = [value_at(window, keys) for window in windows]
            axes.plot(
                connections,
                values,
                marker="o",
                label=f"{report['catalogue']['fingerprints']:,} fingerprints",
            )
        axes.set(title=title, xlabel="connections")
        axes.set_xscale("log", base=2)
        axes.set_xticks(shown, [str(each) for each in shown])
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)
