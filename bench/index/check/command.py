"""``acoustid bench index-check``: random operations on an index server, with kills."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from bench.index.check.interrupted_requests import kill_and_check
from bench.index.check.operations import CheckCounts, CheckedServer
from bench.index.server import ConnectionLost, IndexServer
from bench.options import output_option, progress, write_report
from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from index_server.offline import verify_below

STEPS: Final = 100
"""Maximum number of operations between two kills."""

_PROGRESS: Final = 20.0  # seconds between two lines


@click.command(cls=CheckedCommand)
@click.option(
    "--minutes",
    type=click.FloatRange(0.05, 1440),
    default=3.0,
    show_default=True,
    help="Time for operations and kills.",
)
@click.option(
    "--documents",
    type=click.IntRange(1, 20_000),
    default=3000,
    show_default=True,
    help="Maximum number of documents that are inserted into a new index.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of operations and of delays.")
@output_option
def index_check(*, minutes: float, documents: int, seed: int, output: Path | None) -> None:
    """Compare an index server with brute force, by random operations with kills.

    The operations are inserts, replacements, deletions, metadata, searches, and creations and
    deletions of indexes, over HTTP. After each kill and restart, version and content of all indexes
    are compared; an update in flight may be applied or not. The exit status is 1 if an answer
    differs.
    """
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        figures = check_server(
            Path(folder) / "indexes", documents, seed, lambda _: time.monotonic() < end, progress
        )
    write_report("index-check", {"seed": seed, **figures}, output)
    if figures["differences"]:
        raise StackError(f"{figures['differences']} answers differ from brute force")


def check_server(
    folder: Path,
    documents: int,
    seed: int,
    goes_on: Callable[[int], bool],
    report: Callable[[str], None],
    steps: int = STEPS,
) -> dict[str, Any]:
    """Start a server, send random operations, kill it, check; repeat with the same folder.

    A round consists of operations and one kill. Its random numbers depend only on the seed and the
    round, but a kill interrupts the server at a different place in each run.

    Args:
        folder: the folder of the indexes, which does not exist.
        documents: the maximum number of documents that are inserted into a new index.
        seed: the seed.
        goes_on: returns whether there is a next round; is called with the number of kills.
        report: is called with one line from time to time.
        steps: the maximum number of operations between two kills.

    Returns:
        The counts; ``differences`` is the number of answers that differ.

    Raises:
        StackError: the server ended, does not start, or does not stop.
    """
    counts = CheckCounts()
    with ExitStack() as stack:
        server = IndexServer(folder)
        stack.callback(server.kill)
        server.start()
        checked = CheckedServer(server, counts, documents)
        due = time.monotonic() + _PROGRESS
        while goes_on(counts.kills):
            generator = np.random.default_rng((seed, counts.kills))
            try:
                for _ in range(generator.integers(1, steps + 1)):
                    checked.step(generator)
                kill_and_check(checked, generator)
            except ConnectionLost:
                raise StackError(f"the index server ended: {server.log_end()}") from None
            if time.monotonic() >= due:
                due += _PROGRESS
                report(
                    f"{counts.operations} operations, {counts.searches} searches,"
                    f" {counts.kills} kills, {counts.differences} differences"
                )
        counts.compare("exit status after SIGTERM", server.stop(), expected=0)
        damaged = [problem for _, found in verify_below(folder) for problem in found]
        counts.compare("damaged files", damaged, expected=[])
    return counts.figures()
