"""Lists and descriptions of applications and accounts, with their keys."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from pipeline.catalog.app.tables import account, application, source, stats_lookups
from pipeline.catalog.bulk_statements import is_one_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions of a list; None for any.

    Attributes:
        ids: the ids.
        name: a part of the name, in any case.
        active: whether the keys are valid.
        owner: the id of the account that owns the applications.
        is_admin: whether the accounts are admins.
        limit: maximum number of rows.
    """

    ids: Sequence[int] | None = None
    name: str | None = None
    active: bool | None = None
    owner: int | None = None
    is_admin: bool | None = None
    limit: int = 100


_OWNER: Final = account.alias("owner")


def list_applications(connection: sa.Connection, filters: Filters) -> list[Row]:
    """Return applications by id: id, name, version, owner, limit, state, key, times.

    ``last_lookup`` is the day of the last counted lookup, None if there is none.
    """
    last = (
        sa.select(sa.func.max(stats_lookups.c.date))
        .where(stats_lookups.c.application_id == application.c.id)
        .scalar_subquery()
    )
    statement = (
        sa.select(
            application.c.id,
            application.c.name,
            application.c.version,
            application.c.account_id.label("owner_id"),
            _OWNER.c.name.label("owner"),
            application.c.rate_limit,
            sa.func.coalesce(application.c.active, sa.false()).label("active"),
            application.c.created,
            last.label("last_lookup"),
            application.c.apikey.label("key"),
        )
        .join_from(application, _OWNER, _OWNER.c.id == application.c.account_id)
        .where(*_conditions(application, filters))
        .order_by(application.c.id)
        .limit(filters.limit)
    )
    if filters.owner is not None:
        statement = statement.where(application.c.account_id == filters.owner)
    return _rows(connection, statement)


def list_accounts(
    connection: sa.Connection, filters: Filters, *, deleted: bool = False
) -> list[Row]:
    """Return accounts by id: id, name, MusicBrainz name, role, state, key, time of creation.

    Args:
        connection: a connection to the ``app`` database.
        filters: the conditions; `Filters.owner` is not used.
        deleted: whether deleted accounts are returned, too.
    """
    owned = (
        sa.select(sa.func.count()).where(application.c.account_id == account.c.id).scalar_subquery()
    )
    statement = (
        sa.select(
            account.c.id,
            account.c.name,
            account.c.mbuser.label("musicbrainz"),
            account.c.is_admin.label("admin"),
            account.c.active,
            account.c.created,
            account.c.deleted,
            owned.label("applications"),
            account.c.apikey.label("key"),
        )
        .where(*_conditions(account, filters))
        .order_by(account.c.id)
        .limit(filters.limit)
    )
    if not deleted:
        statement = statement.where(account.c.deleted.is_(None))
    if filters.is_admin is not None:
        statement = statement.where(account.c.is_admin == filters.is_admin)
    return _rows(connection, statement)


def count_lookups(connection: sa.Connection, application_id: int) -> int:
    """Return the number of lookups of an application in the statistics."""
    total = sa.func.sum(stats_lookups.c.count_hits + stats_lookups.c.count_nohits)
    statement = sa.select(total).where(stats_lookups.c.application_id == application_id)
    return int(connection.execute(statement).scalar() or 0)


def sources_by_holder(
    connection: sa.Connection, column: sa.Column[int], holder_ids: Iterable[int]
) -> Mapping[int, list[int]]:
    """Return the ids of the sources of each holder.

    Args:
        connection: a connection to the ``app`` database.
        column: the column of `source` with the holder's id.
        holder_ids: the ids of the applications or accounts.
    """
    found: dict[int, list[int]] = {each: [] for each in holder_ids}
    statement = sa.select(column, source.c.id).where(is_one_of(column, found))
    for holder_id, source_id in connection.execute(statement):
        found[holder_id].append(source_id)
    return found


def deleted_account_ids(connection: sa.Connection) -> list[int]:
    """Return the ids of all deleted accounts."""
    statement = sa.select(account.c.id).where(account.c.deleted.is_not(None))
    return list(connection.execute(statement).scalars())


def _conditions(table: sa.Table, filters: Filters) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if filters.ids is not None:
        conditions.append(is_one_of(table.c.id, filters.ids))
    if filters.name is not None:
        conditions.append(table.c.name.icontains(filters.name, autoescape=True))
    if filters.active is not None:
        conditions.append(sa.func.coalesce(table.c.active, sa.false()) == filters.active)
    return conditions


def _rows(connection: sa.Connection, statement: sa.Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(statement).mappings()]
