"""Prunes receipts (rows of ``submission``) whose submissions have a final state.

The rows that an import writes stay: ``submission_result`` and the tables of sources in the ingest
database, and ``submission_import`` in the fingerprint database. So a submission is not imported a
second time, and all counts of sources stay. The number of pruned receipts is kept by state.
"""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.ingest.tables import nats_message, pruned_submission, submission

MIN_AGE: Final = timedelta(hours=1)
"""Receipts are kept at least this long after their final state, so that a client can read it."""

_PENDING: Final[sa.ColumnElement[str]] = sa.literal_column("'pending'")  # as in the partial index


def prune_receipts(connection: sa.Connection, age: timedelta, limit: int) -> Counter[str]:
    """Delete receipts of the requests that ended first; return their number by state.

    The receipts of one request are deleted together, when the last one is old enough.

    Args:
        connection: a connection to the ingest database; the caller commits.
        age: minimum time since the final state, at least `MIN_AGE`.
        limit: number of receipts to find. The others of their requests are deleted, too.
    """
    latest = sa.func.now() - max(age, MIN_AGE)
    other = submission.alias("other")
    is_young = (other.c.state == _PENDING) | (other.c.handled_at >= latest)
    ended = (
        sa.select(submission.c.task_id)
        .where(
            submission.c.state != _PENDING,
            submission.c.handled_at < latest,
            ~sa.exists().where(other.c.task_id == submission.c.task_id, is_young),
        )
        .order_by(submission.c.handled_at)
        .limit(limit)
    )
    tasks = set(connection.execute(ended).scalars())
    if not tasks:
        return Counter()
    # Locked in one order, and rows that another worker deletes are skipped: no deadlock.
    locked = (
        sa.select(submission.c.id)
        .where(is_one_of(submission.c.task_id, tasks), submission.c.state != _PENDING)
        .order_by(submission.c.id)
        .with_for_update(skip_locked=True)
    )
    ids = connection.execute(locked).scalars().all()
    deleted = sa.delete(submission).where(is_one_of(submission.c.id, ids))
    counts = Counter(connection.execute(deleted.returning(submission.c.state)).scalars())
    _count(connection, counts)
    _delete_messages(connection, tasks)
    return counts


def pruned_by_state(connection: sa.Connection) -> dict[str, int]:
    """Return the number of all pruned receipts by state; states without any are left out."""
    statement = sa.select(pruned_submission.c.state, pruned_submission.c.count)
    return dict(connection.execute(statement).all())


def _delete_messages(connection: sa.Connection, task_ids: Collection[UUID]) -> None:
    """Delete the records of messages from NATS whose receipts are deleted."""
    has_receipt = sa.exists().where(submission.c.task_id == nats_message.c.task_id)
    connection.execute(
        sa.delete(nats_message).where(is_one_of(nats_message.c.task_id, task_ids), ~has_receipt)
    )


def _count(connection: sa.Connection, counts: Counter[str]) -> None:
    for state in sorted(counts):
        added = insert(pruned_submission).values(state=state, count=counts[state])
        connection.execute(
            added.on_conflict_do_update(
                index_elements=[pruned_submission.c.state],
                set_={"count": pruned_submission.c.count + added.excluded.count},
            )
        )
