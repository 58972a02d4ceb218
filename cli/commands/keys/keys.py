"""``acoustid keys``: creates, lists, changes, rotates, enables and disables API keys."""

import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from cli.argument_checks import CheckedGroup
from cli.commands.keys.holder_name import HolderName
from cli.commands.keys.key_holders import (
    Named,
    class_of,
    database,
    naming_options,
    publish,
)
from cli.commands.keys.key_lists import list_keys, show
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import replace_demo_user
from cli.stack.selection import settings_for_command
from cli.time_span import TimeSpan
from pipeline.catalog.app.accounts import (
    Account,
    Application,
    ReservedNameError,
    check_rate_limit,
    create_account,
    create_application,
)
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY
from pipeline.catalog.app.keys.key_administration import (
    APPLICATIONS,
    keys_of,
    rotate_key,
    set_active,
    set_rate_limit,
)
from pipeline.catalog.app.keys.key_text import InvalidKeyError, checked_key
from pipeline.catalog.app.keys.known_clients import KNOWN_CLIENTS, Registration, register_client
from pipeline.settings.sections import Settings


def _checked_limit(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    try:
        check_rate_limit(value)  # click's range contains NaN and infinity
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


rate_limit_option = click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    callback=_checked_limit,
    metavar="N",
    help="Requests per second, 0 for no limit.  [default: the configured limit]",
)


@click.group(cls=CheckedGroup)
def keys() -> None:
    """Create, list, change and rotate API keys."""


keys.add_command(list_keys)
keys.add_command(show)


@keys.command()
@data_directory.option
@click.option(
    "--application",
    type=HolderName(),
    metavar="NAME",
    help="Create an application key (client).",
)
@click.option("--account", type=HolderName(), metavar="NAME", help="Create a user key (user).")
@rate_limit_option
@click.option("--key", metavar="KEY", help="The application key, for a client with a built-in key.")
def create(
    *,
    data_dir: Path,
    application: str | None,
    account: str | None,
    rate_limit: float | None,
    key: str | None,
) -> None:
    """Create a key and print it as JSON. It is valid at once."""
    if bool(application) == bool(account):
        raise click.UsageError("give either --application NAME or --account NAME")
    if account and rate_limit is not None:
        raise click.UsageError("--rate-limit is for applications only")
    if account and key is not None:
        raise click.UsageError("--key is for applications only")
    try:
        key = None if key is None else checked_key(key)
    except InvalidKeyError as error:
        raise click.UsageError(f"--key: {error}") from error
    settings = settings_for_command(data_dir)
    if application:
        created = _create_application(settings, application, rate_limit, key)
    else:
        created = _create_account(settings, account or "")
    click.echo(json.dumps(created))


@keys.command("register-client")
@click.argument("clients", nargs=-1, type=click.Choice(sorted(KNOWN_CLIENTS)))
@click.option("--all", "every", is_flag=True, help="Register all known clients.")
@rate_limit_option
@data_directory.option
def register(
    *, data_dir: Path, clients: Sequence[str], every: bool, rate_limit: float | None
) -> None:
    """Register the built-in keys of CLIENTS; print a line of JSON for each.

    A key that is registered already stays as it is.
    """
    if bool(clients) == every:
        raise click.UsageError("give either names of clients or --all")
    settings = settings_for_command(data_dir)
    for name in sorted(KNOWN_CLIENTS) if every else dict.fromkeys(clients):
        known = KNOWN_CLIENTS[name]
        try:
            with database(settings) as connection:
                made = register_client(connection, known, rate_limit=rate_limit)
                publish(settings, Application, keys_of(connection, APPLICATIONS, made.id))
        except sa.exc.IntegrityError as error:
            raise StackError(f"{name} is being registered already: try again") from error
        click.echo(json.dumps(_registered(name, known.key, made)))
        if not made.active:
            click.echo(f"{name} is disabled: `acoustid keys enable {known.key}`", err=True)


@keys.command()
@naming_options
@data_directory.option
def disable(data_dir: Path, **names: str | None) -> None:
    """Refuse all keys of an application or account, at once."""
    _set_active(settings_for_command(data_dir), Named(**names), active=False)


@keys.command()
@naming_options
@data_directory.option
def enable(data_dir: Path, **names: str | None) -> None:
    """Accept the keys of an application or account again, at once."""
    _set_active(settings_for_command(data_dir), Named(**names), active=True)


@keys.command()
@click.argument("text", metavar="[KEY|ID]", required=False)
@click.option("--application", metavar="ID|KEY", help="The application, by its id or key.")
@rate_limit_option
@click.option("--default", "remove", is_flag=True, help="Use the configured limit.")
@data_directory.option
def limit(
    *,
    data_dir: Path,
    text: str | None,
    application: str | None,
    rate_limit: float | None,
    remove: bool,
) -> None:
    """Change or remove the limit of an application. The new limit applies at once."""
    if (rate_limit is None) != remove:
        raise click.UsageError("give either --rate-limit N or --default")
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        kind, number = Named(text, application, None).find(connection)
        if kind is not APPLICATIONS:
            raise StackError("this is the key of an account: only applications have a limit")
        name = set_rate_limit(connection, number, rate_limit)
        publish(settings, Application, keys_of(connection, APPLICATIONS, number))
    click.echo(json.dumps({"id": number, "name": name, "rate_limit": rate_limit}))


@keys.command()
@naming_options
@click.option(
    "--overlap",
    "--valid-for",
    type=TimeSpan(),
    default="24h",
    show_default=True,
    metavar="DURATION",
    help="Time for which the old key stays valid, such as 30m, 24h or 7d. "
    "0: the old key and all earlier ones become invalid at once.",
)
@data_directory.option
def rotate(data_dir: Path, overlap: timedelta, **names: str | None) -> None:
    """Replace the key of an application or account; print the new key as JSON."""
    settings = settings_for_command(data_dir)
    with database(settings) as connection:
        kind, number = Named(**names).find(connection)
        if kind is APPLICATIONS and DEMO_API_KEY in keys_of(connection, kind, number):
            raise StackError("the key of the demo application cannot be replaced")
        try:
            rotation = rotate_key(connection, kind, number, overlap)
        except ValueError as error:
            raise click.UsageError(f"--overlap: {error}") from error
        if rotation is None:
            raise StackError(f"there is no {kind.name} {number}")
        current = keys_of(connection, kind, number)
        publish(settings, class_of(kind), current)
    _update_demo_keys(DataDir.at(data_dir), current, rotation.key)
    shown = {
        "kind": kind.name,
        "id": number,
        "name": rotation.name,
        "key": rotation.key,
        "old_key_valid_until": rotation.old_valid_until.isoformat(timespec="seconds"),
    }
    click.echo(json.dumps(shown))


def _update_demo_keys(data: DataDir, keys_of_holder: Collection[str], new_key: str) -> None:
    """Replace the key that `acoustid status` prints and `acoustid submit` sends."""
    try:
        replace_demo_user(data.prepared, keys_of_holder, new_key)
    except OSError as error:
        click.echo(f"{data.prepared} keeps the old key until a restart: {error.strerror}", err=True)


def _create_application(
    settings: Settings, name: str, rate_limit: float | None, key: str | None
) -> dict[str, Any]:
    try:
        with database(settings) as connection:
            made = create_application(connection, name, rate_limit=rate_limit, key=key)
    except sa.exc.IntegrityError as error:
        raise StackError("another application already has this key") from error
    except ValueError as error:
        raise StackError(str(error)) from error
    publish(settings, Application, {made.key: Application(made.id, name, rate_limit)})
    return {
        "kind": "application",
        "id": made.id,
        "name": name,
        "key": made.key,
        "rate_limit": rate_limit,
    }


def _create_account(settings: Settings, name: str) -> dict[str, Any]:
    try:
        with database(settings) as connection:
            made = create_account(connection, name)
    except ReservedNameError as error:
        raise StackError(str(error)) from error
    publish(settings, Account, {made.key: Account(made.id, name)})
    return {"kind": "account", "id": made.id, "name": name, "key": made.key}


def _set_active(settings: Settings, named: Named, *, active: bool) -> None:
    with database(settings) as connection:
        kind, number = named.find(connection)
        name = set_active(connection, kind, number, active=active)
        publish(settings, class_of(kind), keys_of(connection, kind, number))
    shown = {"kind": kind.name, "id": number, "name": name, "active": active}
    click.echo(json.dumps(shown))


def _registered(name: str, key: str, made: Registration) -> dict[str, Any]:
    return {"client": name, "id": made.id, "name": made.name, "key": key, "new": made.is_new}
