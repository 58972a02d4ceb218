"""Draws what an index costs against its size; needs the extra `bench`."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from cli.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Series = dict[str, tuple[str, ...]]

PANELS: Final[dict[str, Series]] = {
    "search, exact: CPU µs": {
        "alone": ("search", "exact", "alone", "cpu_us"),
        "in batches of 100": ("search", "exact", "batch_100", "cpu_us"),
    },
    "search within the budget: CPU µs": {
        "alone": ("search", "budget", "alone", "cpu_us"),
        "in batches of 100": ("search", "budget", "batch_100", "cpu_us"),
    },
    "bytes a document": {"": ("bytes_per_document",)},
    "inserts a second": {"": ("build", "inserts_per_second")},
}
"""Title of each panel to the figures it shows, by their path in those of a size."""


def require_plotting() -> None:
    """Raise `StackError` if nothing can be drawn."""
    if find_spec("matplotlib") is None:
        raise StackError("--plot needs matplotlib: pip install -e '.[bench]'")


def plot(sizes: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a picture of the figures of several sizes; `path` names its format by its ending."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(10, 7), layout="constrained")
    documents = [each["documents"] for each in sizes]
    for axes, (title, series) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
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
