"""The leases of pending submissions: which ones are due, and which ones a chain imports now.

The column ``retry_at`` is the end of a lease. A pending submission is due from then on. While its
chain waits or runs, the lease lies in the future, so the submission is not sent a second time. The
clock of PostgreSQL decides, so the clocks of other hosts do not matter.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.ingest.tables import submission

LEASE: Final = timedelta(seconds=40)
"""The time that a chain has until its submissions are sent again.

It is longer than the broker's visibility timeout of 30 s. So a chain whose worker dies is delivered
to another worker, which renews the lease, before the submissions are sent again.
"""


@dataclass(frozen=True, slots=True)
class Due:
    """A submission that is to be sent.

    Attributes:
        attempts: the number of times that it was claimed, this one included.
        crashes: the number of workers that crashed while they imported it alone.
    """

    id: int
    attempts: int
    crashes: int = 0


def claim(connection: sa.Connection, limit: int) -> list[Due]:
    """Begin the leases of due submissions, and return these in the order in which they became due.

    Concurrent calls claim different rows.

    Args:
        connection: a connection to the ingest database. The caller commits, then sends the
            submissions.
        limit: maximum number of submissions.
    """
    due = (
        sa.select(submission.c.id)
        .where(_is_pending(), submission.c.retry_at <= sa.func.now())
        .order_by(submission.c.retry_at, submission.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    old = submission.alias("old")
    statement = (
        sa.update(submission)
        .where(submission.c.id == due.c.id, old.c.id == due.c.id)
        .values(attempts=submission.c.attempts + 1, retry_at=sa.func.now() + LEASE)
        .returning(submission.c.id, submission.c.attempts, submission.c.crashes, old.c.retry_at)
    )
    rows = sorted(connection.execute(statement), key=lambda row: (row.retry_at, row.id))
    return [Due(row.id, row.attempts, row.crashes) for row in rows]


def renew(connection: sa.Connection, ids: Iterable[int], *, below: timedelta = LEASE) -> None:
    """Begin the leases of pending submissions again.

    Args:
        connection: a connection to the ingest database; the caller commits.
        ids: the ids of submissions.
        below: a lease that lasts longer than this is left as it is.
    """
    is_short = submission.c.retry_at < sa.func.now() + below
    _set_end(connection, sa.and_(is_one_of(submission.c.id, ids), is_short), LEASE)


def release(connection: sa.Connection, ids: Iterable[int], pause: timedelta = timedelta()) -> int:
    """Make pending submissions due after a pause; return their number. No chain imports them now.

    The attempt that ends with this does not count.

    Args:
        connection: a connection to the ingest database; the caller commits.
        ids: the ids of submissions; those with a final state keep it.
        pause: the time from now.
    """
    fewer = sa.func.greatest(submission.c.attempts - 1, 0)
    return _set_end(connection, is_one_of(submission.c.id, ids), pause, attempts=fewer)


def end_all(connection: sa.Connection) -> int:
    """End all leases, because the queue is lost; return their number. The caller commits."""
    return _set_end(connection, submission.c.retry_at > sa.func.now(), timedelta())


def count_pending(connection: sa.Connection, limit: int) -> int:
    """Return the number of pending submissions; at most `limit`, which bounds the time."""
    found = sa.select(submission.c.retry_at).where(_is_pending()).limit(limit).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()


def _set_end(
    connection: sa.Connection,
    condition: sa.ColumnElement[bool],
    pause: timedelta,
    **values: sa.ColumnElement[int],
) -> int:
    statement = (
        sa.update(submission)
        .where(_is_pending(), condition)
        .values(retry_at=sa.func.now() + pause, **values)
    )
    return connection.execute(statement).rowcount


def _is_pending() -> sa.ColumnElement[bool]:
    return submission.c.state == sa.literal_column("'pending'")  # as in the partial index
