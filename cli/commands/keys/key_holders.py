"""The database, the caches and the arguments of the commands for keys and for accounts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import click
import sqlalchemy as sa
from redis import RedisError

from api.access.key_cache import RedisKeyCache
from cli.argument_checks import parse_id
from cli.databases import open_database
from cli.error_messages import explain
from cli.errors import StackError
from pipeline.catalog.app.accounts import Account, Application
from pipeline.catalog.app.keys.key_administration import (
    ACCOUNTS,
    APPLICATIONS,
    HolderKind,
    find_ids,
)
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Named:
    """The arguments that name an application or an account.

    Attributes:
        text: a key, or the id of an application.
        application: the id or a key of an application; an id has precedence.
        account: the id or a key of an account; an id has precedence.
    """

    text: str | None
    application: str | None
    account: str | None

    def find(self, connection: sa.Connection) -> tuple[HolderKind[Any], int]:
        """Return the kind and the id of the holder.

        Raises:
            click.UsageError: not exactly one argument is given.
            StackError: no holder matches, or several do.
        """
        given = [each for each in (self.text, self.application, self.account) if each is not None]
        if len(given) != 1:
            raise click.UsageError(
                "give one of: a KEY or the ID of an application, --application, --account"
            )
        found: list[tuple[HolderKind[Any], int]] = []
        if self.account is None:
            applications = find_ids(
                connection, APPLICATIONS, given[0], prefers_id=self.application is not None
            )
            found += [(APPLICATIONS, each) for each in applications]
        if self.application is None:
            # A number is the id of an account only after --account.
            is_named = self.account is not None
            accounts = find_ids(connection, ACCOUNTS, given[0], prefers_id=is_named)
            number = None if is_named else parse_id(given[0])
            found += [(ACCOUNTS, each) for each in accounts if each != number]
        if not found:
            raise StackError(self._missing())
        if len(found) > 1:
            named = ", ".join(f"{kind.name} {number}" for kind, number in found)
            raise StackError(f"this is a key or an id of several: {named}; name one by its id")
        return found[0]

    def _missing(self) -> str:
        for option, value in (("application", self.application), ("account", self.account)):
            if value is not None and value.isdigit():
                return f"there is no {option} {value}"
        return "there is no application and no account with this key or id"


def naming_options(command: F) -> F:
    """Add the arguments of `Named` to a command."""
    for decorator in (
        click.option("--account", metavar="ID|KEY", help="A user's account, by its id or key."),
        click.option("--application", metavar="ID|KEY", help="An application, by its id or key."),
        click.argument("text", metavar="[KEY|ID]", required=False),
    ):
        command = decorator(command)
    return command


def publish(
    settings: Settings,
    kind: type[Application] | type[Account],
    keys: Mapping[str, Application | Account | None],
) -> None:
    """Send the present holders of keys to the front ends, which use them at once.

    Call it before the commit, while the row of the holder is locked. Otherwise a concurrent command
    may commit later and publish earlier.
    """
    with connect(settings.redis) as client:
        cache = RedisKeyCache(client, kind)
        try:
            for key, holder in keys.items():
                cache.publish(key, holder)
        except RedisError as error:
            click.echo(
                "Redis is unreachable: front ends see the change within two minutes "
                f"({explain(error)})",
                err=True,
            )


def class_of(kind: HolderKind[Any]) -> type[Application] | type[Account]:
    """Return the class of the holders of a kind."""
    return Application if kind is APPLICATIONS else Account


def database(
    settings: Settings, name: Literal["app", "ingest"] = "app"
) -> AbstractContextManager[sa.Connection]:
    """Open a transaction on the database ``app`` or ``ingest``; see `open_database`."""
    return open_database(settings, name, component="keys")
