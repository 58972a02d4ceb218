"""``acoustid ingest nats``: takes submissions from NATS JetStream, or publishes those of a file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.argument_checks import CheckedCommand
from cli.commands.client.lines.input import STANDARD_INPUT
from cli.commands.ingest.nats_servers import require_servers
from cli.errors import Interrupted, exit_if_refused
from cli.file_name import InputName
from cli.stack import data_directory
from cli.stack.data_directory import CONFIG_VARIABLE
from cli.stack.selection import choose_stack
from http_server.start_signals import exit_while_starting

if TYPE_CHECKING:
    from pipeline.settings.sections import Settings


@click.command(cls=CheckedCommand)
@click.option(
    "--once", is_flag=True, help="Take the messages that wait, print their numbers, and end."
)
@click.option(
    "--from-file",
    "source",
    type=InputName(),
    metavar="FILE|-",
    help="Publish each line of a file as a message, and end. With --once, take them too.",
)
@click.option(
    "--client", "application", help="Application key for --from-file.  [default: the demo key]"
)
@click.option("--user", help="User key for --from-file.  [default: the demo key]")
@data_directory.option
def nats(
    *, once: bool, source: str | None, application: str | None, user: str | None, data_dir: Path
) -> None:
    """Take submissions from NATS JetStream until Ctrl-C or SIGTERM.

    `acoustid up` runs this if [nats] servers is set. After the first signal it ends when the
    current batch is acknowledged, and at once after the second one.

    FILE has one JSON object per line, as for `acoustid submit`. A line that is refused is named on
    standard error with its reason. The others are published, and the exit status is 4. After a
    second run no line is imported twice.
    """
    if source is None and (application or user):
        raise click.UsageError("--client and --user belong to --from-file")
    if not once and source is None:
        exit_while_starting()
    stack = choose_stack(data_dir)
    settings = stack.settings()
    require_servers(settings.nats)
    if stack.config is not None:  # the functions that publish tasks read it
        os.environ[CONFIG_VARIABLE] = str(stack.config)
    if source is None:
        _take(settings, once=once)
        return
    from cli.commands.ingest.file_publishing import keys_of, publish_file  # noqa: PLC0415 - slow

    path = None if source == STANDARD_INPUT else Path(source)
    counts = publish_file(settings, path, keys_of(stack, application, user))
    if once:
        _take(settings, once=True)
    exit_if_refused(counts.stored + counts.known, counts.refused, "all lines were refused")


def _take(settings: "Settings", *, once: bool) -> None:
    """Take submissions until a signal, or with `once` until no message waits."""
    from cli.commands.ingest.ingest_process import drain, run  # noqa: PLC0415 - slow

    if not once:
        run(settings)
    elif not drain(settings):
        raise Interrupted
