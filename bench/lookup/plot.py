"""``acoustid bench lookup-plot``: draws reports of ``bench lookup``; needs the extra `bench`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from bench.index.plot import require_plotting, value_at

PANELS: Final = {
    "lookups a second": ("requests_per_second",),
    "latency, p50 ms": ("latency_ms", "p50"),
    "latency, p99 ms": ("latency_ms", "p99"),
}
"""Title of each panel to the figure of a window that it shows."""


@click.command()
@click.argument(
    "reports", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="File of the picture, such as docs/lookup-rates.png.",
)
def lookup_plot(*, reports: Sequence[Path], output: Path) -> None:
    """Draw rates and latencies of reports against connections, a line for each catalogue's size."""
    require_plotting()
    draw([json.loads(report.read_bytes()) for report in reports], output)


def draw(reports: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a picture of some reports; `path` names its format by its ending."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(12, 4), layout="constrained")
    shown = sorted({window["connections"] for report in reports for window in report["windows"]})
    for axes, (title, keys) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
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
