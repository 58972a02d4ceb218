"""``acoustid sample``: loads the sample catalogue into a running stack."""

from pathlib import Path

import click

from cli.sample import load_sample, write_demo_lookup
from cli.stack.effective_settings import read_settings


@click.command()
@click.option(
    "--demo",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the body of a lookup for one of the recordings to this file.",
)
def sample(demo: Path | None) -> None:
    """Load the sample catalogue. The workers must run."""
    load_sample(read_settings(), click.echo)
    if demo:
        write_demo_lookup(demo)
