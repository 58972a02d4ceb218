"""``acoustid migrate``: prepares the databases for this release."""

from functools import partial
from pathlib import Path

import click

from cli.stack import data_directory
from cli.stack.preparation import prepare
from cli.stack.selection import settings_for_command


@click.command()
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the result to this file, as JSON.",
)
@data_directory.option
def migrate(report: Path | None, data_dir: Path) -> None:
    """Create and migrate the databases. Create demo keys if they are enabled."""
    settings = settings_for_command(data_dir)
    progress = partial(click.echo, err=True)
    progress(f"index: {settings.fingerprint_index.location()}")
    progress(f"fingerprint store: {settings.fingerprint_store.location()}")
    progress(f"sketch index: {settings.fingerprint_index.sketch_location()}")
    prepared = prepare(settings, progress)
    if report:
        prepared.save(report)
