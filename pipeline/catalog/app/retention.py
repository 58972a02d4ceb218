"""Prunes old lookup statistics, and erases old client addresses.

Each function handles a limited number of rows and returns how many. The caller commits, and calls
again until the result is 0. Rows that another transaction handles are skipped.
"""

from collections import Counter
from datetime import date, timedelta

import sqlalchemy as sa

from pipeline.catalog.app.lookup_statistics import Visitor, add_user_agents
from pipeline.catalog.app.tables import account, stats_lookups, stats_user_agents
from pipeline.catalog.bulk_statements import is_one_of

NO_ADDRESS = ""
"""Stands in ``stats_user_agents`` for an erased address."""


def prune_statistics(connection: sa.Connection, first: date, limit: int) -> int:
    """Delete the counts of lookups and of user agents of the days before `first`.

    Args:
        connection: a connection to the app database.
        first: the first day (UTC) whose counts stay.
        limit: maximum number of rows of each table.
    """
    deleted = 0
    for table in (stats_lookups, stats_user_agents):
        ids = _locked(connection, table, table.c.date < first, table.c.date, limit=limit)
        deleted += connection.execute(sa.delete(table).where(is_one_of(table.c.id, ids))).rowcount
    return deleted


def erase_addresses_of_visitors(connection: sa.Connection, first: date, limit: int) -> int:
    """Remove the addresses from the counts of user agents of the days before `first`.

    Counts that differ only in the address are added up, so the sums of a day do not change.

    Args:
        connection: a connection to the app database.
        first: the first day (UTC) whose addresses stay.
        limit: maximum number of rows.
    """
    table = stats_user_agents
    old = (table.c.date < first) & (table.c.ip != sa.literal_column("''"))
    ids = _locked(connection, table, old, table.c.date, limit=limit)
    if not ids:
        return 0
    deleted = sa.delete(table).where(is_one_of(table.c.id, ids))
    sums: Counter[Visitor] = Counter()
    columns = (table.c.application_id, table.c.date, table.c.user_agent, table.c["count"])
    for application_id, day, user_agent, count in connection.execute(deleted.returning(*columns)):
        sums[Visitor(application_id, day, user_agent, NO_ADDRESS)] += count
    add_user_agents(connection, sums)
    return len(ids)


def erase_addresses_of_accounts(connection: sa.Connection, age: timedelta, limit: int) -> int:
    """Remove the addresses from which accounts were created.

    Args:
        connection: a connection to the app database.
        age: minimum age of the account.
        limit: maximum number of accounts.
    """
    old = account.c.created_from.is_not(None) & (account.c.created < sa.func.now() - age)
    ids = _locked(connection, account, old, account.c.created, limit=limit)
    statement = sa.update(account).where(is_one_of(account.c.id, ids)).values(created_from=None)
    return connection.execute(statement).rowcount


def _locked(
    connection: sa.Connection,
    table: sa.Table,
    condition: sa.ColumnElement[bool],
    oldest_first: sa.Column[date],
    *,
    limit: int,
) -> list[int]:
    statement = sa.select(table.c.id).where(condition).order_by(oldest_first).limit(limit)
    return list(connection.execute(statement.with_for_update(skip_locked=True)).scalars())
