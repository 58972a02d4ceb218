"""``acoustid migrate``: make the databases ready for this release."""

from pathlib import Path

import click

from cli.stack.effective_settings import read_settings
from cli.stack.preparation import prepare


@click.command()
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what came of it to this file, as JSON.",
)
def migrate(report: Path | None) -> None:
    """Create missing databases, run the migrations, make the demo keys where they are on."""
    prepared = prepare(read_settings(), click.echo)
    if report:
        prepared.save(report)
