"""``acoustid keys``: creates, enables and disables API keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa
from redis import RedisError

from api.access.key_cache import RedisKeyCache
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.effective_settings import settings_for_command
from pipeline.catalog.app.accounts import (
    Account,
    Application,
    create_account,
    create_application,
    set_application_active,
)
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings


@click.group()
def keys() -> None:
    """Create API keys; enable and disable applications."""


@keys.command()
@data_directory.option
@click.option("--application", metavar="NAME", help="Create an application key (client).")
@click.option("--account", metavar="NAME", help="Create a user key (user).")
@click.option(
    "--rate-limit",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Requests per second, 0 for no limit.  [default: the configured limit]",
)
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
    if account and key:
        raise click.UsageError("--key is for applications only")
    settings = settings_for_command(data_dir)
    if application:
        created = _create_application(settings, application, rate_limit, key)
    else:
        created = _create_account(settings, account or "")
    click.echo(json.dumps(created))


@keys.command()
@data_directory.option
@click.option("--application", type=int, required=True, metavar="ID", help="Id of the application.")
def disable(data_dir: Path, application: int) -> None:
    """Disable an application. Front ends may accept its key for one more minute."""
    _set_active(settings_for_command(data_dir), application, active=False)


@keys.command()
@data_directory.option
@click.option("--application", type=int, required=True, metavar="ID", help="Id of the application.")
def enable(data_dir: Path, application: int) -> None:
    """Enable an application. Front ends may refuse its key for 5 more seconds."""
    _set_active(settings_for_command(data_dir), application, active=True)


def _create_application(
    settings: Settings, name: str, rate_limit: float | None, key: str | None
) -> dict[str, Any]:
    try:
        with _app_database(settings) as connection:
            made = create_application(connection, name, rate_limit=rate_limit, key=key)
    except sa.exc.IntegrityError as error:
        raise StackError("another application already has this key") from error
    _publish(settings, made.key, Application, Application(made.id, name, rate_limit))
    return {
        "kind": "application",
        "id": made.id,
        "name": name,
        "key": made.key,
        "rate_limit": rate_limit,
    }


def _create_account(settings: Settings, name: str) -> dict[str, Any]:
    with _app_database(settings) as connection:
        made = create_account(connection, name)
    _publish(settings, made.key, Account, Account(made.id, name))
    return {"kind": "account", "id": made.id, "name": name, "key": made.key}


def _set_active(settings: Settings, application_id: int, *, active: bool) -> None:
    with _app_database(settings) as connection:
        changed = set_application_active(connection, application_id, active=active)
    if changed is None:
        raise StackError(f"there is no application {application_id}")
    application, key = changed
    _publish(settings, key, Application, application if active else None)
    click.echo(json.dumps({"id": application.id, "name": application.name, "active": active}))


def _publish(
    settings: Settings,
    key: str,
    kind: type[Application] | type[Account],
    holder: Application | Account | None,
) -> None:
    """Update the shared cache of the front ends."""
    with connect(settings.redis) as client:
        try:
            RedisKeyCache(client, kind).publish(key, holder)
        except RedisError:
            click.echo("Redis is unreachable: front ends see the change within a minute.", err=True)


@contextmanager
def _app_database(settings: Settings) -> Iterator[sa.Connection]:
    """Open a transaction on the ``app`` database.

    Raises:
        StackError: the database is unreachable or not migrated.
    """
    databases = Databases(settings, component="keys")
    name = settings.database.name
    try:
        with databases.engine("app").begin() as connection:
            yield connection
    except sa.exc.ProgrammingError as error:
        raise StackError(f"database {name} is not ready: run `acoustid migrate`") from error
    except sa.exc.OperationalError as error:
        raise StackError(f"database {name} is unreachable: check that the stack runs") from error
    finally:
        databases.dispose()
