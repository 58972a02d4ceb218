"""Draws the charts of an evaluation. Needs the extra `bench`."""

from pathlib import Path
from typing import Final

from bench.identification.evaluation import THRESHOLDS, CatalogueFigures, Evaluation
from pipeline.excerpts.significance import MAX_FALSE_MATCHES

RECALL: Final = "identification-recall.png"
FALSE_MATCHES: Final = "identification-false-matches.png"


def draw(evaluation: Evaluation, folder: Path) -> None:
    """Write the charts `RECALL` and `FALSE_MATCHES` into a folder."""
    draw_recall(evaluation.catalogues[-1], folder / RECALL)
    draw_false_matches(evaluation, folder / FALSE_MATCHES)


def draw_recall(figures: CatalogueFigures, path: Path) -> None:
    """Draw recall against the length of pieces, one line for each kind of copy."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for kind, found in figures.lengths.items():
        axes.plot(list(found), list(found.values()), marker="o", label=kind)
    axes.set(
        title=f"recall at top 1 among {figures.sizes.documents:,} fingerprints",
        xlabel="length of the excerpt, s",
        ylim=(0, 1.03),
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend(title="cut from")
    figure.savefig(path, dpi=110)


def draw_false_matches(evaluation: Evaluation, path: Path) -> None:
    """Draw the share of pieces with a false match against the threshold.

    The dashed line is the share that the threshold states: as many false matches a search as are
    expected, at most one.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    thresholds = [10**each for each in THRESHOLDS]
    for each in evaluation.catalogues:
        label = f"{each.sizes.documents:,} fingerprints, {each.pieces.pieces:,} pieces"
        axes.plot(thresholds, each.curve(), marker=".", label=label)
    stated = [min(1.0, each) for each in thresholds]
    axes.plot(thresholds, stated, linestyle="--", color="gray", label="stated")
    axes.axvline(MAX_FALSE_MATCHES, color="black", linewidth=0.8, label="accepted")
    least = 0.3 / max(each.pieces.pieces for each in evaluation.catalogues)
    axes.set(
        title="pieces of recordings that are not in the catalogue",
        xlabel="threshold: expected false matches of a search",
        ylabel="share with a match below it",
        xscale="log",
        yscale="log",
        ylim=(least, 2),
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
