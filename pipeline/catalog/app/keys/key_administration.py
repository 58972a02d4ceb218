"""Changes of the keys of existing applications and accounts: state, limit, rotation.

Functions work on a connection to the ``app`` database. They lock the row of the holder. The caller
publishes the result of `keys_of`, so that the change applies at once, and then commits.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.accounts import (
    Account,
    Application,
    check_rate_limit,
    find_account,
    find_application,
)
from pipeline.catalog.app.keys.key_text import generate_key, is_possible
from pipeline.catalog.app.tables import account, application, rotated_key

Holder = TypeVar("Holder", bound=Application | Account)

ANY: Final = sa.true()
"""The condition that every row fulfils."""

LARGEST_ID: Final = 2**31 - 1
"""The largest id in the database."""

LONGEST_OVERLAP: Final = timedelta(days=3650)
"""The longest time for which a rotated key may stay valid."""


@dataclass(frozen=True, slots=True)
class HolderKind(Generic[Holder]):
    """A kind of key holders.

    Attributes:
        name: ``application`` or ``account``.
        table: the table of the holders.
        reference: the column of `rotated_key` that refers to the table.
        exists: the condition that a row is not deleted.
        find: returns the holder of a valid key.
    """

    name: str
    table: sa.Table
    reference: sa.Column[int | None]
    exists: sa.ColumnElement[bool]
    find: Callable[[sa.Connection, str], Holder | None]


APPLICATIONS: Final = HolderKind(
    "application", application, rotated_key.c.application_id, ANY, find_application
)
ACCOUNTS: Final = HolderKind(
    "account", account, rotated_key.c.account_id, account.c.deleted.is_(None), find_account
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """A new key of an application or account.

    Attributes:
        old_valid_until: the time at which the old key expires.
    """

    id: int
    name: str
    key: str = field(repr=False)
    old_valid_until: datetime


def find_ids(
    connection: sa.Connection, kind: HolderKind[Any], key_or_id: str, *, prefers_id: bool = False
) -> list[int]:
    """Return the ids of the holders that have a current or rotated key, or that have the id.

    Holders that are disabled are found, too. Deleted accounts are not.

    Args:
        connection: a connection to the ``app`` database.
        kind: the kind of the holders.
        key_or_id: a key or an id.
        prefers_id: whether the holder with the id is the only result if there is one. A key may
            consist of digits only.
    """
    if not is_possible(key_or_id):
        return []
    table = kind.table
    rotated = sa.select(kind.reference).where(
        rotated_key.c.apikey == key_or_id,
        kind.reference.is_not(None),
        rotated_key.c.expires > sa.func.now(),
    )
    named = (table.c.apikey == key_or_id) | table.c.id.in_(rotated)
    number = int(key_or_id) if key_or_id.isascii() and key_or_id.isdigit() else None
    if number is not None and number <= LARGEST_ID:
        named |= table.c.id == number
    statement = sa.select(table.c.id).where(named, kind.exists).order_by(table.c.id)
    found = list(connection.execute(statement).scalars())
    return [number] if number is not None and prefers_id and number in found else found


def keys_of(
    connection: sa.Connection, kind: HolderKind[Holder], holder_id: int
) -> dict[str, Holder | None]:
    """Return all current and rotated keys of a holder; None for those that are not valid."""
    current = sa.select(kind.table.c.apikey).where(kind.table.c.id == holder_id)
    rotated = sa.select(rotated_key.c.apikey).where(kind.reference == holder_id)
    keys = connection.execute(sa.union_all(current, rotated)).scalars().all()
    return {key: kind.find(connection, key) for key in keys}


def set_active(
    connection: sa.Connection,
    kind: HolderKind[Any],
    holder_id: int,
    *,
    active: bool,
    owner_id: int | None = None,
) -> str | None:
    """Enable or disable all keys of a holder; return its name, None if it does not exist.

    Args:
        connection: a connection to the ``app`` database.
        kind: the kind of the holder.
        holder_id: the id of the holder.
        active: whether its keys are valid.
        owner_id: the id of the account that must own the application; None for any holder.
    """
    is_owned = ANY if owner_id is None else kind.table.c.account_id == owner_id
    return _update(connection, kind, holder_id, is_owned, active=active)


def set_rate_limit(
    connection: sa.Connection, application_id: int, rate_limit: float | None
) -> str | None:
    """Change the limit of an application; return its name, None if it does not exist.

    Args:
        connection: a connection to the ``app`` database.
        application_id: the id of the application.
        rate_limit: requests per second, 0 for no limit; None for the limit of the settings.

    Raises:
        ValueError: the limit is negative or not finite.
    """
    check_rate_limit(rate_limit)
    return _update(connection, APPLICATIONS, application_id, rate_limit=rate_limit)


def rotate_key(
    connection: sa.Connection, kind: HolderKind[Any], holder_id: int, overlap: timedelta
) -> Rotation | None:
    """Replace the key of a holder by a new one; return None if the holder does not exist.

    Args:
        connection: a connection to the ``app`` database.
        kind: the kind of the holder.
        holder_id: the id of the holder.
        overlap: the time for which the old key stays valid. With 0, the old key and all keys
            that were rotated earlier become invalid.

    Raises:
        ValueError: the time is negative or longer than `LONGEST_OVERLAP`.
    """
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise ValueError(f"the overlap must be 0 to {LONGEST_OVERLAP.days} days")
    table = kind.table
    wanted = sa.select(table.c.name, table.c.apikey).where(table.c.id == holder_id, kind.exists)
    row = connection.execute(wanted.with_for_update()).first()
    if row is None:
        return None
    expires = connection.execute(sa.select(sa.func.now() + overlap)).scalar_one()
    if not overlap:
        earlier = (kind.reference == holder_id) & (rotated_key.c.expires > expires)
        connection.execute(sa.update(rotated_key).where(earlier).values(expires=expires))
    # Also without an overlap: `keys_of` must return the old key, so that caches remove it.
    _keep_old_key(connection, kind, holder_id, row.apikey, expires)
    key = generate_key()
    connection.execute(sa.update(table).where(table.c.id == holder_id).values(apikey=key))
    return Rotation(holder_id, row.name, key, expires)


def rotated_keys(
    connection: sa.Connection, kind: HolderKind[Any], holder_id: int
) -> list[tuple[str, datetime]]:
    """Return the rotated keys of a holder that are still valid, each with its end."""
    statement = (
        sa.select(rotated_key.c.apikey, rotated_key.c.expires)
        .where(kind.reference == holder_id, rotated_key.c.expires > sa.func.now())
        .order_by(rotated_key.c.expires)
    )
    return [(row.apikey, row.expires) for row in connection.execute(statement)]


def prune_rotated_keys(connection: sa.Connection) -> int:
    """Delete the rotated keys that have expired; return their number."""
    statement = sa.delete(rotated_key).where(rotated_key.c.expires <= sa.func.now())
    return connection.execute(statement).rowcount


def _keep_old_key(
    connection: sa.Connection, kind: HolderKind[Any], holder_id: int, key: str, expires: datetime
) -> None:
    values = {"apikey": key, kind.reference.name: holder_id, "expires": expires}
    # An expired row may have the same key, which a second holder was given later.
    connection.execute(
        insert(rotated_key)
        .values(values)
        .on_conflict_do_update(
            index_elements=[rotated_key.c.apikey],
            index_where=kind.reference.is_not(None),
            set_={kind.reference.name: holder_id, "expires": expires},
        )
    )


def _update(
    connection: sa.Connection,
    kind: HolderKind[Any],
    holder_id: int,
    condition: sa.ColumnElement[bool] = ANY,
    **values: Any,  # noqa: ANN401 - of any column
) -> str | None:
    statement = (
        sa.update(kind.table)
        .where(kind.table.c.id == holder_id, kind.exists, condition)
        .values(values)
        .returning(kind.table.c.name)
    )
    name: str | None = connection.execute(statement).scalar()
    return name
