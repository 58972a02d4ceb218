"""``acoustid maintenance``: turns the maintenance mode on and off, and shows its state."""

from pathlib import Path
from typing import Literal

import click

from cli.argument_checks import CheckedCommand
from cli.databases import open_database
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.app.maintenance import (
    Maintenance,
    begin_maintenance,
    end_maintenance,
    find_maintenance,
)

MAX_REASON = 200
"""Maximum number of characters of a reason."""


@click.command(cls=CheckedCommand)
@click.argument("action", type=click.Choice(["on", "off", "status"]), default="status")
@click.option("--reason", metavar="TEXT", help="The reason, for clients.")
@data_directory.option
def maintenance(data_dir: Path, action: Literal["on", "off", "status"], reason: str | None) -> None:
    """Refuse submissions while lookups go on, or show the state.

    The change applies within 2 seconds. All front ends then answer 503 with Retry-After to
    submissions, and to requests that create or change accounts and applications. The workers import
    the submissions that were received before.
    """
    if reason is not None and action != "on":
        raise click.UsageError("--reason is for `acoustid maintenance on` only")
    if reason is not None and len(reason) > MAX_REASON:
        raise click.UsageError(f"--reason may have at most {MAX_REASON} characters")
    with open_database(settings_for_command(data_dir), component="maintenance") as connection:
        if action == "on":
            begin_maintenance(connection, reason)
        elif action == "off":
            end_maintenance(connection)
        found = find_maintenance(connection)
    click.echo(describe(found))


def describe(found: Maintenance | None) -> str:
    """Return the state in one line of text."""
    if found is None:
        return "Maintenance is off: submissions are accepted."
    since = found.since.astimezone().isoformat(" ", "seconds")
    reason = f" Reason: {found.reason}" if found.reason else ""
    return f"Maintenance is on since {since}: submissions are refused.{reason}"
