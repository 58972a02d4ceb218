"""``acoustid ingest``: the group of the commands about submissions from NATS JetStream."""

import click

from cli.argument_checks import CheckedGroup
from cli.commands.ingest.dead_letters import dead_letters
from cli.commands.ingest.nats import nats


@click.group(cls=CheckedGroup)
def ingest() -> None:
    """Take submissions from NATS JetStream."""


ingest.add_command(nats)
ingest.add_command(dead_letters)
