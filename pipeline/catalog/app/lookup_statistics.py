"""How often was looked up, by whom and from where: the hourly and daily counts in the app database.

Counts come in batches, each with an id of its own. `mark_folded` is called in the transaction that
adds a batch: the row it writes tells whoever finds the batch again that its counts are in.
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
"""Characters of a user agent that are kept; of an address too, which never has as many."""

_LARGEST: Final = 2**31 - 1  # an integer column; a count beyond it is a slip, and stays there


class LookupKind(NamedTuple):
    """What a count of lookups is of: an hour (UTC) of an application, and their outcome."""

    application_id: int
    date: date
    hour: int
    hit: bool


class Visitor(NamedTuple):
    """What a count of requests is of: a day (UTC), an application, a program and an address."""

    application_id: int
    date: date
    user_agent: str
    ip: str


@dataclass(frozen=True, slots=True)
class DailyLookups:
    """The lookups of one day (UTC).

    Attributes:
        count: all of them.
    """

    date: date
    count_hits: int
    count_nohits: int
    count: int


def add_lookups(connection: sa.Connection, counts: Mapping[LookupKind, int]) -> set[int]:
    """Add to the hourly counts; return the ids of applications that there are not.

    The counts of those are left out. The caller commits.
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
    """Add to the daily counts by user agent; return the ids of applications that there are not.

    The counts of those are left out. Overlong texts are cut. The caller commits.
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
    """Note that this transaction adds a batch; return False where another one has added it.

    While another transaction is at it, this waits for its end.
    """
    statement = insert(stats_folded).values(batch_id=batch_id).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def prune_folded(connection: sa.Connection, waiting: Collection[UUID], age: timedelta) -> int:
    """Delete the notes of batches that were added long ago; return how many there were.

    Args:
        connection: to the app database; the caller commits.
        waiting: the batches that can still be found: their notes stay, however old.
        age: how old a note must be.
    """
    statement = sa.delete(stats_folded).where(
        stats_folded.c.created < sa.func.now() - age,
        stats_folded.c.batch_id != sa.all_(sa.cast(list(waiting), sa.ARRAY(sa.UUID))),
    )
    return connection.execute(statement).rowcount


def lookup_stats(
    connection: sa.Connection, application_ids: Sequence[int], from_date: date, to_date: date
) -> list[DailyLookups]:
    """Return the lookups of each day on which there were any, oldest first.

    Args:
        connection: to the app database or its read-only twin.
        application_ids: whose lookups; they are added up.
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
    """Return the first and the last of the days before today."""
    return today - timedelta(days), today - timedelta(1)


def _lock_known(connection: sa.Connection, application_ids: set[int]) -> set[int]:
    """Return which of the applications there are, and keep them until the transaction ends."""
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
    """Add to the counts of rows that are there, insert the others: one statement for all.

    It goes by the key, so that of two who add at once one waits for the other.
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
