"""``acoustid evaluate``: how well pieces and rough copies of real recordings are identified."""

from pathlib import Path
from typing import Final

import click

from bench.identification.document import as_text, replace_tables, tables
from bench.identification.evaluation import Plan, evaluate
from bench.identification.plots import draw
from bench.identification.recordings import BUNDLED, kinds_of, load_recordings
from bench.options import check_folder, progress, write_report
from bench.plots import require_plotting
from cli.argument_checks import CheckedCommand
from cli.errors import StackError

DOCS: Final = Path(__file__).parents[2] / "docs"
"""The folder of the documents in a checkout."""

DOCUMENT: Final = "identification.md"


@click.command("evaluate", cls=CheckedCommand)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=BUNDLED,
    help="Folder with fingerprints.jsonl.gz and rough.jsonl.gz.  [default: the bundled recordings]",
)
@click.option(
    "--kinds",
    help="Kinds of variants, separated by commas, such as phone,excerpt10s.  [default: all]",
)
@click.option(
    "--distractors",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    help="Measure again among so many fingerprints of no recording.",
)
@click.option(
    "--pieces",
    type=click.IntRange(0, 1_000_000),
    default=2_000,
    show_default=True,
    help="Pieces of recordings that are not in the catalogue.",
)
@click.option(
    "--sketch-rate",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="As [fingerprint_index] sketch_rate.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Random seed.")
@click.option(
    "--json",
    "output",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    callback=check_folder,
    help="File for all figures.",
)
@click.option("--write", is_flag=True, help="Write tables and charts into docs/ of this checkout.")
def evaluate_command(  # noqa: PLR0913 - one argument per option
    *,
    data: Path,
    kinds: str | None,
    distractors: int,
    pieces: int,
    sketch_rate: int,
    seed: int,
    output: Path | None,
    write: bool,
) -> None:
    """Measure recall, position error and false matches on real recordings.

    Each degraded copy is looked up by the public algorithm, and by the public algorithm together
    with the search for excerpts. The tables are printed as Markdown.
    """
    if write:
        if not (DOCS / DOCUMENT).is_file():
            raise StackError(f"--write needs a checkout: {DOCS / DOCUMENT} does not exist")
        require_plotting()
    wanted = {each.strip() for each in kinds.split(",")} if kinds is not None else None
    recordings = load_recordings(data, wanted)
    if wanted and (unknown := wanted.difference(kinds_of(recordings))):
        raise StackError(f"{data} has no variants of the kind {min(unknown)}")
    if len(recordings) < 2:
        raise StackError(f"{data} has one recording; the measurement of false matches needs two")
    evaluation = evaluate(recordings, Plan(sketch_rate, distractors, pieces, seed), progress)
    found = tables(evaluation)
    click.echo(as_text(found))
    if output:
        write_report("evaluate", evaluation.as_json(), output)
    if write:
        replace_tables(DOCS / DOCUMENT, found)
        draw(evaluation, DOCS)
