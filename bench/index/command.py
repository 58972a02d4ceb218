"""``acoustid bench index`` and ``index-kills``: the index alone, without a stack."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from bench.index.kills import kill_often
from bench.index.measure import measure
from bench.index.plot import plot as draw
from bench.index.plot import require_plotting
from bench.stack.options import Numbers, machine, progress
from cli.errors import StackError

SWEEP: Final = "10000,100000,1000000,10000000"


@click.command()
@click.option(
    "--documents", type=click.IntRange(1000), default=100_000, show_default=True, help="How many."
)
@click.option(
    "--sizes",
    type=Numbers(1000),
    metavar="N,N",
    help=f"Several numbers of documents, such as {SWEEP}, which takes 5 GB and half an hour.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="Documents a commit."
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the indexes here, and use them again.  [default: a temporary directory]",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Draw the figures of all sizes, into a file such as docs/index-cost.png.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="File for the report.  [default: standard output]",
)
def index(
    *,
    documents: int,
    sizes: Sequence[int] | None,
    batch: int,
    keep: Path | None,
    plot: Path | None,
    output: Path | None,
) -> None:
    """Measure the index: inserts, merges, searches cold and warm, memory, starts.

    Its documents are made up, with terms that many share; `bench/index/model.py` has the model.
    """
    if plot:
        require_plotting()
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        figures = [
            measure(folder / str(each), each, batch, progress) for each in sizes or [documents]
        ]
    if plot:
        draw(figures, plot)
    report("index", {"batch": batch, "sizes": figures} if sizes else figures[0], output)


@click.command()
@click.option(
    "--kills", type=click.IntRange(1, 10_000), default=200, show_default=True, help="How many."
)
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="Documents a commit."
)
@click.option("--seed", default=1, show_default=True, help="Of the moments of the kills.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="File for the report.  [default: standard output]",
)
def index_kills(*, kills: int, batch: int, seed: int, output: Path | None) -> None:
    """Kill a process that loads an index, again and again, and count what is lost.

    Each time the next start must find every batch whose commit had returned, with every term, no
    damaged file, and as many documents as its position says.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = kill_often(Path(folder) / "index", kills, batch, seed, progress)
    report("index-kills", {"batch": batch, "seed": seed, **figures}, output)
    if figures["lost_batches"] or figures["corrupt_starts"]:
        raise StackError("the index did not survive every kill")


def report(name: str, figures: dict[str, Any], output: Path | None) -> None:
    """Print figures as JSON, with what they were measured on."""
    text = json.dumps({"bench": name, "machine": machine(), **figures}, indent=2)
    if output:
        output.write_text(f"{text}\n", encoding="utf-8")
    else:
        click.echo(text)
