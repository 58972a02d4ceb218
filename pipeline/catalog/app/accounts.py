"""Applications and accounts, with the keys for lookups and for submissions.

Functions work on a connection to the ``app`` database, and the caller commits. `Application` and
`Account` are immutable and have no key, so a cache may share them between threads.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.advisory_locks import lock_bot_account
from pipeline.catalog.app.keys.key_text import InvalidKeyError, checked_key, generate_key
from pipeline.catalog.app.tables import account, application, rotated_key
from pipeline.catalog.bulk_statements import is_one_of

BOT_NAME: Final = "acoustid_bot"
"""Name of the account under which the service changes links, as in the public service."""


_IS_BOT: Final = (
    (account.c.name == BOT_NAME) & account.c.mbuser.is_(None) & account.c.application_id.is_(None)
)
"""The condition that only the service's own account fulfils.

No user gets such an account: `create_account` refuses the name, and the account of a MusicBrainz
user has the user's name in ``mbuser``.
"""


class DisabledAccountError(Exception):
    """The account is disabled."""


class ReservedNameError(ValueError):
    """The name of a new account is that of the service's own account."""


@dataclass(frozen=True, slots=True)
class Application:
    """The holder of an application key.

    Attributes:
        rate_limit: requests per second, 0 for no limit; None for the limit of the settings.
        valid_until: Unix time at which a rotated key expires; None for the current key.
    """

    id: int
    name: str
    rate_limit: float | None = None
    valid_until: float | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The holder of a user key.

    Attributes:
        is_admin: whether the account may change the catalogue.
        valid_until: Unix time at which a rotated key expires; None for the current key.
    """

    id: int
    name: str
    is_admin: bool = False
    valid_until: float | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new application or account with its key."""

    id: int
    name: str
    key: str = field(repr=False)


def _by_key(
    table: sa.Table, reference: sa.Column[int | None], *columns: sa.Column[Any]
) -> sa.CompoundSelect[Any]:
    """Return the statement that finds the active row with a current or a rotated key.

    Args:
        table: `account` or `application`.
        reference: the column of `rotated_key` that refers to the table.
        columns: the columns of the table.
    """
    key = sa.bindparam("key", type_=sa.Text)
    until = sa.func.extract("epoch", rotated_key.c.expires).cast(sa.Double)
    current = sa.select(*columns, sa.null().cast(sa.Double).label("valid_until"))
    rotated = sa.select(*columns, until.label("valid_until")).join_from(
        rotated_key, table, reference == table.c.id
    )
    return sa.union_all(
        current.where(table.c.apikey == key, table.c.active.is_(True)),
        rotated.where(
            rotated_key.c.apikey == key,
            reference.is_not(None),
            rotated_key.c.expires > sa.func.now(),
            table.c.active.is_(True),
        ),
    )


_APPLICATION_BY_KEY: Final = _by_key(
    application,
    rotated_key.c.application_id,
    application.c.id,
    application.c.name,
    application.c.rate_limit,
)
_ACCOUNT_BY_KEY: Final = _by_key(
    account, rotated_key.c.account_id, account.c.id, account.c.name, account.c.is_admin
)


def find_application(connection: sa.Connection, key: str) -> Application | None:
    """Return the active application with a key, such as the demo application; None without one."""
    row = connection.execute(_APPLICATION_BY_KEY, {"key": key}).first()
    return None if row is None else Application(*row)


def find_account(connection: sa.Connection, key: str) -> Account | None:
    """Return the active account with a key; None without one."""
    row = connection.execute(_ACCOUNT_BY_KEY, {"key": key}).first()
    return None if row is None else Account(*row)


def find_account_by_id(connection: sa.Connection, account_id: int) -> Account | None:
    """Return the active account with an id, locked against deletion; None without one."""
    statement = sa.select(account.c.id, account.c.name, account.c.is_admin).where(
        account.c.id == account_id, account.c.active
    )
    row = connection.execute(statement.with_for_update(read=True, key_share=True)).first()
    return None if row is None else Account(*row)


def account_names(connection: sa.Connection, account_ids: Iterable[int]) -> dict[int, str]:
    """Return the names of accounts by id.

    Args:
        connection: a connection to the ``app`` database.
        account_ids: the ids of accounts; those that do not exist are left out.
    """
    statement = sa.select(account.c.id, account.c.name)
    wanted = statement.where(is_one_of(account.c.id, account_ids))
    return dict(connection.execute(wanted).all())


def create_account(
    connection: sa.Connection,
    name: str,
    *,
    application_id: int | None = None,
    application_version: str | None = None,
    created_from: str | None = None,
) -> NewKey:
    """Insert an account with a new key.

    Args:
        connection: a connection to the ``app`` database.
        name: a name to display; not necessarily unique.
        application_id: the id of the application that created the account.
        application_version: the version of that application.
        created_from: IPv4 or IPv6 address of the client.

    Raises:
        ReservedNameError: the name is `BOT_NAME`.
    """
    if name.strip().lower() == BOT_NAME:
        raise ReservedNameError(
            f"the name {BOT_NAME} is that of the service's own account: choose another one"
        )
    return _insert_account(
        connection,
        name,
        application_id=application_id,
        application_version=application_version,
        created_from=created_from,
    )


def _insert_account(connection: sa.Connection, name: str, **more: str | int | None) -> NewKey:
    key = generate_key()
    values = {"name": name, "apikey": key, **more}
    row = connection.execute(sa.insert(account).values(values).returning(account.c.id)).one()
    return NewKey(row.id, name, key)


def create_application(
    connection: sa.Connection,
    name: str,
    *,
    version: str = "",
    rate_limit: float | None = None,
    account_id: int | None = None,
    key: str | None = None,
) -> NewKey:
    """Insert an application.

    Args:
        connection: a connection to the ``app`` database.
        name: a name to display; not necessarily unique.
        version: the version of the application.
        rate_limit: requests per second, 0 for no limit; None for the limit of the settings.
        account_id: the id of its owner; None creates an account of the same name.
        key: the key of a client that has one built in; None creates a key.

    Raises:
        ValueError: the rate limit is negative or not finite.
        ReservedNameError: the name of the new owner is `BOT_NAME`.
        InvalidKeyError: the text cannot be a key, or another application has this key.
        sqlalchemy.exc.IntegrityError: another transaction has just created it with this key.
    """
    check_rate_limit(rate_limit)
    if key is None:
        key = generate_key()
    elif _is_taken(connection, checked_key(key)):
        raise InvalidKeyError("another application already has this key")
    values = {
        "name": name,
        "version": version,
        "apikey": key,
        "rate_limit": rate_limit,
        "account_id": create_account(connection, name).id if account_id is None else account_id,
    }
    row = connection.execute(
        sa.insert(application).values(values).returning(application.c.id)
    ).one()
    return NewKey(row.id, name, key)


def _is_taken(connection: sa.Connection, key: str) -> bool:
    """Return whether an application has a key, or has had it and it is still valid.

    The unique index would refuse it, too, but then PostgreSQL writes the key to its log.
    """
    current = sa.select(application.c.id).where(application.c.apikey == key)
    known = connection.execute(current).first() is not None
    return known or find_application(connection, key) is not None


def check_rate_limit(rate_limit: float | None) -> None:
    """Check a limit in requests per second.

    Raises:
        ValueError: it is negative or not finite.
    """
    if rate_limit is not None and not 0 <= rate_limit < float("inf"):
        raise ValueError(f"rate_limit must be 0 (no limit) or more, not {rate_limit}")


def ensure_musicbrainz_account(connection: sa.Connection, mbuser: str) -> tuple[Account, str]:
    """Return the account of a MusicBrainz user with its key, creating it if it is missing.

    The account is locked against changes until the transaction ends. If two connections call this
    at once, one creates the account and both return it.

    Args:
        connection: a connection to the ``app`` database; the caller commits.
        mbuser: the name at MusicBrainz. Names that differ in case only are the same user.

    Raises:
        DisabledAccountError: the account is disabled.
    """
    found = _find_musicbrainz_account(connection, mbuser)
    if found is None:
        values = {"name": mbuser, "mbuser": mbuser, "apikey": generate_key()}
        # The name is in two unique indexes; this covers a conflict with either one.
        connection.execute(insert(account).values(values).on_conflict_do_nothing())
        found = _find_musicbrainz_account(connection, mbuser)
    if found is None:
        raise RuntimeError("the account was deleted while it was created: try again")
    return found


def _find_musicbrainz_account(connection: sa.Connection, mbuser: str) -> tuple[Account, str] | None:
    statement = sa.select(
        account.c.id, account.c.name, account.c.is_admin, account.c.active, account.c.apikey
    ).where(sa.func.lower(account.c.mbuser) == sa.func.lower(mbuser))
    row = connection.execute(statement.with_for_update(read=True)).first()
    if row is None:
        return None
    if not row.active:
        raise DisabledAccountError
    return Account(row.id, row.name, row.is_admin), row.apikey


def ensure_bot_account(connection: sa.Connection) -> int:
    """Return the id of the service's own account, creating it if it is missing.

    Args:
        connection: a connection to the ``app`` database; the caller commits.
    """
    found = find_bot_account(connection)
    if found is None:
        lock_bot_account(connection)
        found = find_bot_account(connection)
    return _insert_account(connection, BOT_NAME).id if found is None else found


def find_bot_account(connection: sa.Connection) -> int | None:
    """Return the id of the service's own account; None if it does not exist."""
    found: int | None = connection.execute(
        sa.select(sa.func.min(account.c.id)).where(_IS_BOT)
    ).scalar()
    return found
