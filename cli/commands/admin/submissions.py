"""``acoustid submissions``: lists and retries failed submissions."""

import json
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import click

from cli.argument_checks import CheckedGroup
from cli.databases import open_database
from cli.errors import StackError, exit_if_refused
from cli.list_options import limit_option
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.ingest import submissions as receipts


@click.group(cls=CheckedGroup)
def submissions() -> None:
    """List and retry failed submissions."""


@submissions.command()
@limit_option(100, "submissions")
@data_directory.option
def failed(limit: int, data_dir: Path) -> None:
    """Print failed submissions, newest first, as JSON lines."""
    settings = settings_for_command(data_dir)
    with open_database(settings, "ingest", component="submissions") as connection:
        found = receipts.failed(connection, limit)
    if not found:
        click.echo("no failed submissions", err=True)
    for each in found:
        click.echo(json.dumps(each, default=str))


@submissions.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--task", type=click.UUID, metavar="TASK_ID", help="Retry those of a request.")
@click.option("--all", "every", is_flag=True, help="Retry all failed submissions.")
@data_directory.option
def requeue(*, ids: tuple[int, ...], task: UUID | None, every: bool, data_dir: Path) -> None:
    """Retry failed submissions by their IDS, within seconds.

    An id without a failed submission is named on standard error.
    """
    if sum(map(bool, (ids, task, every))) != 1:
        raise click.UsageError("give either submission ids, --task or --all")
    settings = settings_for_command(data_dir)
    with open_database(settings, "ingest", component="submissions") as connection:
        chosen = receipts.of_task(connection, task) if task else ids
        if task and not chosen:
            raise StackError(f"there is no submission of task {task}")
        states = receipts.states(connection, ids)
        count = receipts.requeue(connection, None if every else chosen)
    refused = [_refusal(number, states) for number in ids if states.get(number) != "failed"]
    if count or not refused:
        click.echo(f"{count} submissions are pending again")
    for line in refused:
        click.echo(line, err=True)
    exit_if_refused(count, len(refused), "no submission is retried")


def _refusal(number: int, states: Mapping[int, str]) -> str:
    """Return why a submission is not retried."""
    if number not in states:
        return f"there is no submission {number}"
    return f"submission {number} is {states[number]}, not failed"
