"""Counts submissions by state."""

from collections import Counter

import sqlalchemy as sa

from pipeline.catalog.ingest.finished_receipts import pruned_by_state
from pipeline.catalog.ingest.tables import submission


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    """Return the number of submissions by state; states without any are left out.

    Submissions whose receipts were pruned are included.
    """
    statement = sa.select(submission.c.state, sa.func.count()).group_by(submission.c.state)
    counts: Counter[str] = Counter(dict(connection.execute(statement).all()))
    return counts + Counter(pruned_by_state(connection))


def oldest_pending_seconds(connection: sa.Connection) -> float | None:
    """Return the age of the oldest submission without a final state; None if there is none."""
    pending = submission.c.state == sa.literal_column("'pending'")  # as in the partial index
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - sa.func.min(submission.c.created))
    seconds = connection.execute(sa.select(age).where(pending)).scalar()
    return None if seconds is None else round(max(0.0, float(seconds)), 1)
