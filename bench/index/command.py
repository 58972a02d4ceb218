"""``acoustid bench index`` and ``index-kills``: the index without a stack."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from bench.index.build import build
from bench.index.exact_cost import measure_copies, measure_exact_cost
from bench.index.freshness import measure_freshness
from bench.index.http import measure_http
from bench.index.kills import measure_kills
from bench.index.model import Model
from bench.index.search import measure_searches
from bench.index.startup import measure_startup
from bench.measuring import in_new_process
from bench.options import NumberList, check_folder, output_option, progress, write_report
from bench.plots import plot_index, require_plotting
from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from pipeline.index import open_reader

SWEEP: Final = "10000,100000,1000000,10000000"


@click.command(cls=CheckedCommand)
@click.option(
    "--documents",
    type=click.IntRange(1000),
    default=100_000,
    show_default=True,
    help="Documents in the index.",
)
@click.option(
    "--sizes",
    type=NumberList(1000),
    metavar="N,N",
    help=f"Several index sizes, such as {SWEEP}, which takes 5 GB and 30 minutes.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="Documents per commit."
)
@click.option(
    "--copies",
    type=click.IntRange(1),
    help="Search also among this number of near copies of one recording.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the indexes here and reuse them.  [default: a temporary directory]",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=check_folder,
    help="Draw the figures of all sizes into a file such as docs/index-cost.png.",
)
@click.option(
    "--http",
    is_flag=True,
    help="Measure only inserts and searches, embedded and over HTTP in one run.",
)
@output_option
def index(  # noqa: PLR0913 - one argument per option
    *,
    documents: int,
    sizes: Sequence[int] | None,
    batch: int,
    copies: int | None,
    keep: Path | None,
    plot: Path | None,
    http: bool,
    output: Path | None,
) -> None:
    """Measure the index: inserts, merges, cold and warm searches, memory, start time.

    Exact searches and searches with a limit of postings are measured in turns. The documents
    are synthetic, with common terms; see `bench/index/model.py`.
    """
    if plot and http:
        raise click.UsageError("--plot draws none of the figures of --http: omit one of them")
    if plot:
        require_plotting()
    if copies and http:
        raise click.UsageError("--http measures no searches among --copies: omit one of them")
    measure = _measure_http if http else partial(_measure, copies=copies)
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        figures = [measure(folder / str(each), each, batch) for each in sizes or [documents]]
    if plot:
        plot_index(figures, plot)
    write_report("index", {"batch": batch, "sizes": figures} if sizes else figures[0], output)


@click.command(cls=CheckedCommand)
@click.option(
    "--kills",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="Number of kills.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=1000, show_default=True, help="Documents per commit."
)
@click.option("--seed", default=1, show_default=True, help="Seed of the random times of the kills.")
@output_option
def index_kills(*, kills: int, batch: int, seed: int, output: Path | None) -> None:
    """Repeatedly kill a process that writes an index, and count losses.

    After each kill, all terms of each batch whose commit had returned must be in the index. No file
    may be damaged, and the number of documents must match the position.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_kills(Path(folder) / "index", kills, batch, seed, progress)
    write_report("index-kills", {"batch": batch, "seed": seed, **figures}, output)
    if figures["lost_batches"] or figures["corrupt_starts"]:
        raise StackError("the index lost data or was damaged")


def _measure(path: Path, documents: int, size: int, copies: int | None) -> dict[str, Any]:
    """Build an index, or reuse an existing one, and return all figures.

    Args:
        path: the folder of the index. A temporary copy by hard links is created next to it.
        documents: the number of documents in the index.
        size: the number of documents per commit.
        copies: the number of near copies of one recording; None for no search among copies.
    """
    model = Model()
    progress(f"{documents} documents: building")
    built = in_new_process(build, path, model, documents, size)
    progress(f"{documents} documents: searching")
    searched = in_new_process(measure_searches, path, model, documents)
    progress(f"{documents} documents: exact searches and limited ones in turns")
    turns = in_new_process(measure_exact_cost, path, model, documents)
    among_copies = {}
    if copies:
        progress(f"{documents} documents: searching among {copies} copies")
        found = in_new_process(measure_copies, path, model, documents, copies)
        among_copies = {"among_copies": found}
    progress(f"{documents} documents: starting")
    started = measure_startup(path, model, documents)
    progress(f"{documents} documents: inserting while another process searches")
    fresh = in_new_process(measure_freshness, path, model, documents)
    return {
        **_size(path),
        "build": built,
        "search": searched,
        "exact_against_limited": turns,
        **among_copies,
        "start": started,
        "fresh_batch": fresh,
    }


def _measure_http(path: Path, documents: int, size: int) -> dict[str, Any]:
    """Return the figures of inserts and searches, embedded and over HTTP.

    Args:
        path: the temporary indexes are created next to it.
        documents: the number of documents in each index.
        size: the number of documents per commit and per request.
    """
    progress(f"{documents} documents: embedded and over HTTP")
    return {"documents": documents, **measure_http(path.parent, Model(), documents, size)}


def _size(path: Path) -> dict[str, Any]:
    with open_reader(path) as reader:
        stats = reader.stats()
    return {
        "documents": stats.documents,
        "bytes_per_document": round(stats.bytes / stats.documents, 1),
        "segments": stats.segments,
    }
