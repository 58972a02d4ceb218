"""``acoustid submissions``: lists and retries failed submissions."""

import json
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from cli.argument_checks import CheckedGroup
from cli.errors import StackError
from cli.list_options import limit_option
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.ingest import submissions as receipts
from pipeline.runtime.databases import Databases


@click.group(cls=CheckedGroup)
def submissions() -> None:
    """List and retry failed submissions."""


@submissions.command()
@limit_option(100, "submissions")
@data_directory.option
def failed(limit: int, data_dir: Path) -> None:
    """Print failed submissions, newest first, as JSON lines."""
    databases = Databases(settings_for_command(data_dir), component="submissions")
    try:
        with databases.engine("ingest").connect() as connection:
            for each in receipts.failed(connection, limit):
                click.echo(json.dumps(each, default=str))
    except SQLAlchemyError as error:
        raise StackError(f"the ingest database is not usable: {error}") from error


@submissions.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "every", is_flag=True, help="Retry all failed submissions.")
@data_directory.option
def requeue(*, ids: tuple[int, ...], every: bool, data_dir: Path) -> None:
    """Retry failed submissions by their IDS, within seconds."""
    if bool(ids) == every:
        raise StackError("give either submission ids or --all")
    databases = Databases(settings_for_command(data_dir), component="submissions")
    try:
        with databases.engine("ingest").begin() as connection:
            count = receipts.requeue(connection, None if every else ids)
    except SQLAlchemyError as error:
        raise StackError(f"the ingest database is not usable: {error}") from error
    click.echo(f"{count} submissions are pending again")
