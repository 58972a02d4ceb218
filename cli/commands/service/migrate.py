"""``acoustid migrate``: prepares the databases for this release."""

from pathlib import Path

import click

from cli.stack.effective_settings import read_settings
from cli.stack.preparation import prepare


@click.command()
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the result to this file, as JSON.",
)
def migrate(report: Path | None) -> None:
    """Create and migrate the databases. Create demo keys if they are enabled."""
    settings = read_settings()
    click.echo(f"index: {settings.fingerprint_index.location()}")
    click.echo(f"fingerprint store: {settings.fingerprint_store.location()}")
    prepared = prepare(settings, click.echo)
    if report:
        prepared.save(report)
