"""``acoustid accounts``: lists and deletes accounts, and makes admins."""

import json
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from cli.argument_checks import CheckedGroup, parse_id
from cli.commands.keys.key_holders import database, publish
from cli.commands.keys.key_lists import contributions_of, describe, echo_holder
from cli.errors import StackError
from cli.list_options import json_option, limit_option
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from cli.text_table import echo_json, echo_table
from pipeline.catalog.app.account_administration import (
    DELETED_NAME,
    Deletion,
    DeletionRefusedError,
    delete_account,
    find_account_ids,
    set_admin,
)
from pipeline.catalog.app.accounts import Account, Application
from pipeline.catalog.app.keys import key_reports
from pipeline.catalog.app.keys.key_administration import ACCOUNTS, keys_of
from pipeline.catalog.app.keys.key_reports import Filters, Row
from pipeline.catalog.app.tables import source
from pipeline.catalog.ingest.contributions import contributions, contributions_by_source
from pipeline.settings.sections import Settings

COLUMNS = (
    *("id", "name", "musicbrainz", "admin", "active", "created"),
    *("applications", "contributions"),
)


@click.group(cls=CheckedGroup)
def accounts() -> None:
    """List and delete accounts; make admins."""


@accounts.command("list")
@click.option("--name", metavar="TEXT", help="Only names that contain TEXT.")
@click.option("--admins", is_flag=True, help="Only admins.")
@click.option("--active/--disabled", default=None, help="Only active or only disabled ones.")
@limit_option(100, "accounts")
@json_option
@data_directory.option
def list_accounts(
    *,
    data_dir: Path,
    name: str | None,
    admins: bool,
    active: bool | None,
    limit: int,
    as_json: bool,
) -> None:
    """List accounts with the number of their imported submissions.

    The last row counts the submissions of all deleted accounts.
    """
    settings = settings_for_command(data_dir)
    filters = Filters(name=name, active=active, is_admin=admins or None, limit=limit)
    with database(settings) as connection:
        rows = key_reports.list_accounts(connection, filters)
        gone = key_reports.deleted_account_ids(connection)
        ids = [*(row["id"] for row in rows), *gone]
        sources = key_reports.sources_by_holder(connection, source.c.account_id, ids)
    with database(settings, "ingest") as connection:
        wanted = [number for row in rows for number in sources[row["id"]]]
        counts = contributions_by_source(connection, wanted)
        left = contributions(connection, [number for each in gone for number in sources[each]])
    for row in rows:
        del row["key"], row["deleted"]
        row["contributions"] = sum(counts.get(number, 0) for number in sources[row["id"]])
    deleted: Row = {"accounts": len(gone), "contributions": left.count}
    if as_json:
        echo_json({"accounts": rows, "deleted": deleted})
        return
    if gone:
        rows.append({**dict.fromkeys(COLUMNS), "name": DELETED_NAME, **deleted})
    echo_table(COLUMNS, rows)


@accounts.command()
@click.argument("account", metavar="ID|KEY|NAME")
@json_option
@data_directory.option
def show(*, data_dir: Path, account: str, as_json: bool) -> None:
    """Describe an account. Its key is masked. For a deleted account, give the id."""
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        number = _deleted_id(connection, account) or _find(connection, account)
        applications = key_reports.list_applications(connection, Filters(owner=number))
    row = describe(settings, ACCOUNTS, number, reveal=False)
    owned = [{"id": each["id"], "name": each["name"]} for each in applications]
    if as_json:
        echo_json({**row, "applications": owned})
        return
    echo_holder({**row, "applications": [f"{each['id']} {each['name']}" for each in owned]})


@accounts.command()
@click.argument("account", metavar="ID|KEY|NAME")
@click.option("--revoke", is_flag=True, help="Make the account an ordinary one.")
@data_directory.option
def admin(*, data_dir: Path, account: str, revoke: bool) -> None:
    """Make an account an admin, which may correct the catalogue. This applies at once."""
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        number = _find(connection, account)
        name = set_admin(connection, number, is_admin=not revoke)
        publish(settings, Account, keys_of(connection, ACCOUNTS, number))
    click.echo(json.dumps({"id": number, "name": name, "admin": not revoke}))


@accounts.command()
@click.argument("account", metavar="ID|KEY|NAME")
@click.option("--yes", is_flag=True, help="Delete without a question.")
@click.option("--disable-applications", is_flag=True, help="Disable the account's applications.")
@click.option(
    "--applications-to",
    metavar="ID|KEY|NAME",
    help="Give the account's applications to another account.",
)
@data_directory.option
def delete(
    *,
    data_dir: Path,
    account: str,
    yes: bool,
    disable_applications: bool,
    applications_to: str | None,
) -> None:
    """Remove an account's name, keys, links and addresses. Its submissions stay.

    They are counted under the name "deleted". This cannot be undone.
    """
    if disable_applications and applications_to is not None:
        raise click.UsageError("give either --disable-applications or --applications-to")
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        number = _find(connection, account)
        new_owner = None if applications_to is None else _find(connection, applications_to)
        [row] = key_reports.list_accounts(connection, Filters(ids=[number]))
    question = f"Delete account {number} ({row['name']})?"
    if not yes and not click.confirm(question, err=True):
        raise StackError(f"account {number} was not deleted")
    try:
        with database(settings) as connection:
            deletion = delete_account(
                connection,
                number,
                disables_applications=disable_applications,
                new_owner=new_owner,
            )
            publish(settings, Account, deletion.accounts)
            publish(settings, Application, deletion.applications)
    except DeletionRefusedError as error:
        raise StackError(f"account {number} was not deleted: {error}") from error
    click.echo(json.dumps(_deleted(settings, deletion)))


def _deleted(settings: Settings, deletion: Deletion) -> dict[str, Any]:
    with database(settings) as connection:
        sources = key_reports.sources_by_holder(connection, source.c.account_id, [deletion.id])
    kept = contributions_of(settings, sources[deletion.id])
    return {
        "id": deletion.id,
        "name": DELETED_NAME,
        "contributions": kept["contributions"],
        "applications": deletion.application_ids,
    }


def _deleted_id(connection: sa.Connection, text: str) -> int | None:
    """Return the id of a deleted account that a text names; None for another text."""
    number = parse_id(text)
    if number is None:
        return None
    return number if number in key_reports.deleted_account_ids(connection) else None


def _find(connection: sa.Connection, text: str) -> int:
    """Return the id of the account that a text names.

    Raises:
        StackError: no account matches, or several do.
    """
    found = find_account_ids(connection, text)
    if not found:
        raise StackError(
            f"there is no account {text!r}" if text.isdigit() else "there is no such account"
        )
    if len(found) > 1:
        named = ", ".join(map(str, found[:20]))
        raise StackError(f"several accounts have this name, key or id: {named}; give an id")
    return found[0]
