"""Counts of lookups by hour and of requests by user agent (tables ``stats_lookups`` and others).

Counts are added in batches, each with an id. The transaction that adds a batch also stores its id
(`mark_folded`), so that a later run does not add it again.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.tables import application, stats_folded, stats_lookups, stats_user_agents
from pipeline.catalog.bulk_statements import insert_rows, is_one_of

LONGEST_USER_AGENT: Final = 255
"""Maximum number of characters of a user agent or an address; longer ones are cut."""

_LARGEST: Final = 2**31 - 1  # the largest value of an integer column; larger counts are set to it


class LookupKind(NamedTuple):
    """The key of a count of lookups: application, hour (UTC) and whether they found anything."""

    application_id: int
    date: date
    hour: int
    hit: bool


class Visitor(NamedTuple):
    """The key of a count of requests: application, day (UTC), user agent and address."""

    application_id: int
    date: date
    user_agent: str
    ip: str


@dataclass(frozen=True, slots=True)
class DailyLookups:
    """The lookups of one day (UTC).

    Attributes:
        count: the number of all lookups.
    """

    date: date
    count_hits: int
    count_nohits: int
    count: int


def add_lookups(connection: sa.Connection, counts: Mapping[LookupKind, int]) -> set[int]:
    """Add to the hourly counts; return the ids of applications that do not exist.

    Their counts are left out. The caller commits.
    """
    known = _lock_known(connection, {kind.application_id for kind in counts})
    sums: dict[tuple[int, date, int], Counter[bool]] = defaultdict(Counter)
    for kind, count in counts.items():
        if kind.application_id in known:
            sums[kind.application_id, kind.date, kind.hour][kind.hit] += count
    rows = [
        {
            "application_id": application_id,
            "date": day,
            "hour": hour,
            "count_hits": _fit(outcomes[True]),
            "count_nohits": _fit(outcomes[False]),
        }
        for (application_id, day, hour), outcomes in sums.items()
    ]
    _add(connection, stats_lookups, rows, "count_hits", "count_nohits")
    return {kind.application_id for kind in counts} - known


def add_user_agents(connection: sa.Connection, counts: Mapping[Visitor, int]) -> set[int]:
    """Add to the daily counts by user agent; return the ids of applications that do not exist.

    Their counts are left out. Long texts are cut. The caller commits.
    """
    known = _lock_known(connection, {visitor.application_id for visitor in counts})
    sums: Counter[Visitor] = Counter()
    for visitor, count in counts.items():
        if visitor.application_id in known:
            sums[_stored(visitor)] += count
    rows = [{**visitor._asdict(), "count": _fit(count)} for visitor, count in sums.items()]
    _add(connection, stats_user_agents, rows, "count")
    return {visitor.application_id for visitor in counts} - known


def mark_folded(connection: sa.Connection, batch_id: UUID) -> bool:
    """Mark a batch as added by this transaction; return False if another one has added it.

    If another transaction is adding it, this call waits until that one ends.
    """
    statement = insert(stats_folded).values(batch_id=batch_id).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def prune_folded(connection: sa.Connection, waiting: Collection[UUID], age: timedelta) -> int:
    """Delete the marks of batches that were added long ago; return their number.

    Args:
        connection: a connection to the app database; the caller commits.
        waiting: batches that still exist in Redis; their marks stay.
        age: minimum age of a deleted mark.
    """
    statement = sa.delete(stats_folded).where(
        stats_folded.c.created < sa.func.now() - age,
        stats_folded.c.batch_id != sa.all_(sa.cast(list(waiting), sa.ARRAY(sa.UUID))),
    )
    return connection.execute(statement).rowcount


def lookup_stats(
    connection: sa.Connection, application_ids: Sequence[int], from_date: date, to_date: date
) -> list[DailyLookups]:
    """Return the lookups of each day with lookups, oldest first.

    Args:
        connection: a connection to the app database or to its read-only database.
        application_ids: the ids of the applications. Their lookups are added up.
        from_date: the first day.
        to_date: the last day, included.
    """
    hits = sa.func.sum(stats_lookups.c.count_hits)
    nohits = sa.func.sum(stats_lookups.c.count_nohits)
    statement = (
        sa.select(stats_lookups.c.date, hits, nohits, hits + nohits)
        .where(
            is_one_of(stats_lookups.c.application_id, application_ids),
            stats_lookups.c.date.between(from_date, to_date),
        )
        .group_by(stats_lookups.c.date)
        .order_by(stats_lookups.c.date)
    )
    return [DailyLookups(*row) for row in connection.execute(statement)]


def last_days(days: int, today: date) -> tuple[date, date]:
    """Return the first and the last day of a period of `days` days that ends yesterday."""
    return today - timedelta(days), today - timedelta(1)


def _lock_known(connection: sa.Connection, application_ids: set[int]) -> set[int]:
    """Return the applications that exist, locked against deletion until the transaction ends."""
    statement = (
        sa.select(application.c.id)
        .where(is_one_of(application.c.id, application_ids))
        .order_by(application.c.id)
        .with_for_update(read=True, key_share=True)
    )
    return set(connection.execute(statement).scalars())


def _add(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *counts: str
) -> None:
    """Add to the counts of existing rows, and insert the others, in one statement.

    The rows are in the order of their keys, so that concurrent statements do not deadlock.
    """
    if not rows:
        return
    key = [name for name in rows[0] if name not in counts]
    in_order = sorted(rows, key=lambda row: tuple(row[name] for name in key))
    added = insert_rows(table, in_order)
    statement = added.on_conflict_do_update(
        index_elements=key,
        set_={
            name: sa.func.least(
                sa.cast(table.c[name], sa.BigInteger) + added.excluded[name], _LARGEST
            )
            for name in counts
        },
    )
    connection.execute(statement)


def _stored(visitor: Visitor) -> Visitor:
    user_agent, ip = (
        text.replace("\0", " ")[:LONGEST_USER_AGENT] for text in (visitor.user_agent, visitor.ip)
    )
    return visitor._replace(user_agent=user_agent, ip=ip)


def _fit(count: int) -> int:
    return min(count, _LARGEST)
