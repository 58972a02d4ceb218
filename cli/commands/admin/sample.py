"""``acoustid sample``: loads the sample catalogue into a running stack."""

from functools import partial
from pathlib import Path

import click

from cli.argument_checks import CheckedCommand
from cli.sample import load_sample, write_demo_lookup
from cli.stack import data_directory
from cli.stack.selection import settings_for_command


@click.command(cls=CheckedCommand)
@click.option(
    "--demo",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the body of a lookup for one of the recordings to this file.",
)
@data_directory.option
def sample(demo: Path | None, data_dir: Path) -> None:
    """Load the sample catalogue. The workers must run."""
    load_sample(settings_for_command(data_dir), partial(click.echo, err=True))
    if demo:
        write_demo_lookup(demo)
