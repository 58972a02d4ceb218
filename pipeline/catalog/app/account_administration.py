"""Changes of accounts: admins, and the deletion of an account.

A deleted account keeps its row and its id, to which its submissions and sources refer. The row has
the name `DELETED_NAME` and no personal data.
"""

from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.app.accounts import Account, Application, find_bot_account
from pipeline.catalog.app.keys.demo_application import DEMO_API_KEY
from pipeline.catalog.app.keys.key_administration import (
    ACCOUNTS,
    APPLICATIONS,
    find_ids,
    keys_of,
    set_active,
)
from pipeline.catalog.app.tables import (
    account,
    account_google,
    account_openid,
    application,
    rotated_key,
)

DELETED_NAME: Final = "deleted"
"""The name of each deleted account."""


class DeletionRefusedError(Exception):
    """An account cannot be deleted. The message has the reason."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deleted account.

    Attributes:
        accounts: its keys, all None, for the caches.
        applications: the keys of its former applications with their holders, for the caches.
        application_ids: the ids of its former applications.
    """

    id: int
    application_ids: list[int]
    accounts: dict[str, Account | None] = field(repr=False)
    applications: dict[str, Application | None] = field(repr=False)


def find_account_ids(connection: sa.Connection, text: str) -> list[int]:
    """Return the ids of the accounts that have an id, a key, a name or a MusicBrainz name.

    An id has precedence over a key, and both over a name. Deleted accounts are not found.
    """
    found = find_ids(connection, ACCOUNTS, text, prefers_id=True)
    if found or "\0" in text:
        return found
    named = (account.c.name == text) | (sa.func.lower(account.c.mbuser) == sa.func.lower(text))
    statement = sa.select(account.c.id).where(named, ACCOUNTS.exists).order_by(account.c.id)
    return list(connection.execute(statement).scalars())


def set_admin(connection: sa.Connection, account_id: int, *, is_admin: bool) -> str | None:
    """Make an account an admin, or an ordinary account; return its name, None if it is missing."""
    statement = (
        sa.update(account)
        .where(account.c.id == account_id, ACCOUNTS.exists)
        .values(is_admin=is_admin)
        .returning(account.c.name)
    )
    name: str | None = connection.execute(statement).scalar()
    return name


def delete_account(
    connection: sa.Connection,
    account_id: int,
    *,
    disables_applications: bool = False,
    new_owner: int | None = None,
) -> Deletion:
    """Remove the name, keys and links of an account, and the contacts of its applications.

    Its submissions and sources stay. The caller publishes the keys, and then commits.

    Args:
        connection: a connection to the ``app`` database.
        account_id: the id of the account.
        disables_applications: whether its applications are disabled.
        new_owner: the id of the account that gets its applications; None if they stay.

    Raises:
        DeletionRefusedError: the account does not exist, or the service needs it, or it has
            active applications and neither option is given.
    """
    locked = sa.select(account.c.id).where(account.c.id.in_([account_id, new_owner or account_id]))
    exists = locked.where(ACCOUNTS.exists).order_by(account.c.id).with_for_update()
    known = set(connection.execute(exists).scalars())
    if account_id not in known:
        raise DeletionRefusedError(f"there is no account {account_id}")
    if new_owner is not None and (new_owner not in known or new_owner == account_id):
        raise DeletionRefusedError("the new owner of the applications must be another account")
    _check_service(connection, account_id)
    owned = sa.select(application.c.id).where(application.c.account_id == account_id)
    ids = list(connection.execute(owned.order_by(application.c.id)).scalars())
    if not disables_applications and new_owner is None:
        _check_applications(connection, account_id)
    for each in ids if disables_applications else ():
        set_active(connection, APPLICATIONS, each, active=False)
    owner = {} if new_owner is None else {"account_id": new_owner}
    connection.execute(
        sa.update(application)
        .where(application.c.account_id == account_id)
        .values(email=None, website=None, **owner)
    )
    keys = dict.fromkeys(keys_of(connection, ACCOUNTS, account_id))
    _erase(connection, account_id)
    applications: dict[str, Application | None] = {}
    for each in ids:
        applications |= keys_of(connection, APPLICATIONS, each)
    return Deletion(account_id, ids, keys, applications)


def _check_service(connection: sa.Connection, account_id: int) -> None:
    if find_bot_account(connection) == account_id:
        raise DeletionRefusedError("the service changes links under this account")
    demo = sa.select(application.c.account_id).where(application.c.apikey == DEMO_API_KEY)
    if connection.execute(demo).scalar() == account_id:
        raise DeletionRefusedError(
            "it owns the demo application: to refuse the demo key, set [features] demo_key"
        )


def _check_applications(connection: sa.Connection, account_id: int) -> None:
    statement = (
        sa.select(application.c.id, application.c.name)
        .where(application.c.account_id == account_id, application.c.active)
        .order_by(application.c.id)
    )
    if found := connection.execute(statement).all():
        named = ", ".join(f"{row.id} ({row.name})" for row in found)
        raise DeletionRefusedError(
            f"it owns active applications: {named}; disable them with the account, or give them "
            "to another account"
        )


def _erase(connection: sa.Connection, account_id: int) -> None:
    for table in (account_openid, account_google, rotated_key):
        connection.execute(sa.delete(table).where(table.c.account_id == account_id))
    connection.execute(
        sa.update(account)
        .where(account.c.id == account_id)
        .values(
            name=DELETED_NAME,
            apikey=f"deleted {account_id}",  # no key has a space, and the row is not active
            mbuser=None,
            anonymous=None,
            created=sa.func.now(),
            lastlogin=None,
            application_id=None,
            application_version=None,
            created_from=None,
            is_admin=False,
            active=False,
            deleted=sa.func.now(),
        )
    )
