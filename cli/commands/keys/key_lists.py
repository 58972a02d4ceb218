"""``acoustid keys list`` and ``keys show``: describe the holders of keys."""

from pathlib import Path
from typing import Any

import click

from cli.argument_checks import CheckedCommand
from cli.commands.keys.key_holders import Named, database, naming_options
from cli.errors import StackError
from cli.list_options import json_option, limit_option
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from cli.text_table import echo_fields, echo_json, echo_table, show_value
from pipeline.catalog.app.keys import key_reports
from pipeline.catalog.app.keys.key_administration import APPLICATIONS, HolderKind, rotated_keys
from pipeline.catalog.app.keys.key_reports import Filters, Row
from pipeline.catalog.app.tables import source
from pipeline.catalog.ingest.contributions import contributions
from pipeline.settings.sections import Settings

_SHOWN = 2  # first characters of a masked key


def masked(key: str) -> str:
    """Return the first characters of a key, which suffice to recognise it."""
    return (key[:_SHOWN] if len(key) > 2 * _SHOWN else "") + "********"


@click.command("list", cls=CheckedCommand)
@click.option("--accounts", "--users", is_flag=True, help="List user keys.")
@click.option("--name", metavar="TEXT", help="Only names that contain TEXT.")
@click.option("--active/--disabled", default=None, help="Only active or only disabled ones.")
@click.option("--owner", type=int, metavar="ID", help="Only applications of this account.")
@limit_option(100, "rows")
@json_option
@data_directory.option
def list_keys(
    *,
    data_dir: Path,
    accounts: bool,
    name: str | None,
    active: bool | None,
    owner: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """List applications, or the accounts of users. Keys are masked."""
    if accounts and owner is not None:
        raise click.UsageError("--owner is for applications only")
    filters = Filters(name=name, active=active, owner=owner, limit=limit)
    with database(settings_for_command(data_dir)) as connection:
        if accounts:
            rows = key_reports.list_accounts(connection, filters)
        else:
            rows = key_reports.list_applications(connection, filters)
    for row in rows:
        row["key"] = masked(row["key"])
    if as_json:
        echo_json(rows)
    elif accounts:
        echo_table(("id", "name", "musicbrainz", "admin", "active", "created", "key"), rows)
    else:
        columns = ("id", "name", "owner_id", "owner", "rate_limit", "active", "created")
        echo_table((*columns, "last_lookup", "key"), map(_readable, rows))


@click.command(cls=CheckedCommand)
@naming_options
@click.option("--reveal", is_flag=True, help="Print the keys in full.")
@json_option
@data_directory.option
def show(
    *,
    data_dir: Path,
    text: str | None,
    application: str | None,
    account: str | None,
    reveal: bool,
    as_json: bool,
) -> None:
    """Describe an application or an account. Keys are masked without --reveal."""
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        kind, number = Named(text, application, account).find(connection)
    row = describe(settings, kind, number, reveal=reveal)
    if as_json:
        echo_json(row)
    else:
        echo_holder(row)


def echo_holder(row: Row) -> None:
    """Print the result of `describe` for a reader."""
    old = [f"{each['key']} until {show_value(each['valid_until'])}" for each in row["old_keys"]]
    echo_fields({**_readable(row), "old_keys": old})


def describe(settings: Settings, kind: HolderKind[Any], number: int, *, reveal: bool) -> Row:
    """Return everything about an application or account, given its id."""
    with database(settings) as connection:
        of_one = Filters(ids=[number])
        if kind is APPLICATIONS:
            [row] = key_reports.list_applications(connection, of_one)
            row["lookups"] = key_reports.count_lookups(connection, number)
            column = source.c.application_id
        else:
            [row] = key_reports.list_accounts(connection, of_one, deleted=True)
            column = source.c.account_id
        sources = key_reports.sources_by_holder(connection, column, [number])[number]
        old = rotated_keys(connection, kind, number)
    shown: Row = {"kind": kind.name, **row, **contributions_of(settings, sources)}
    key = shown.pop("key")
    if not row.get("deleted"):  # a deleted account has no key
        shown["key"] = key if reveal else masked(key)
    shown["old_keys"] = [
        {"key": each if reveal else masked(each), "valid_until": until} for each, until in old
    ]
    return shown


def _readable(row: Row) -> Row:
    """Return a row with a word for a limit that is not a number of requests."""
    if "rate_limit" not in row:  # an account
        return row
    words = {None: "default", 0.0: "no limit"}
    return {**row, "rate_limit": words.get(row["rate_limit"], row["rate_limit"])}


def contributions_of(settings: Settings, sources: list[int]) -> dict[str, Any]:
    """Return the number of imported submissions; None if the ingest database is unreachable."""
    try:
        with database(settings, "ingest") as connection:
            found = contributions(connection, sources)
    except StackError as error:
        click.echo(f"no contributions: {error}", err=True)
        return {"contributions": None, "last_contribution": None}
    return {"contributions": found.count, "last_contribution": found.last}
