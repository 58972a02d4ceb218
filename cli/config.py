"""``acoustid config``: look at the configuration."""

from pathlib import Path

import click

from cli.effective import read_settings
from pipeline.runtime.describe import describe


@click.group()
def config() -> None:
    """Look at the configuration."""


@config.command()
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="The file; by default ACOUSTID_CONFIG, else acoustid.conf here.",
)
def check(path: Path | None) -> None:
    """Print the effective settings, or every problem there is with them."""
    click.echo(describe(read_settings(path)), nl=False)
