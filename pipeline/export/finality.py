"""Finds out which days are final: no transaction can still add rows to them.

The time of a row is the begin of its transaction. So a row of yesterday can be committed today, and
a day is final only when all transactions that began before its end have ended.
"""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

MARGIN: Final = timedelta(minutes=5)
"""PostgreSQL shows the begin of a transaction slightly after its begin."""

UNKNOWN_MARGIN: Final = timedelta(days=1)
"""For transactions whose begin is not shown: those of other roles, and prepared ones."""

# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
# Processes without a user, such as those of autovacuum, add no rows.
_TRANSACTIONS: Final = sa.text(
    """
    SELECT clock_timestamp() AS now,
           (SELECT min(xact_start) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND usesysid IS NOT NULL) AS oldest,
           EXISTS (SELECT FROM pg_stat_activity
                    WHERE datname = current_database() AND usesysid IS NOT NULL
                      AND (query = '<insufficient privilege>' OR state = 'disabled')) AS is_hidden,
           (SELECT min(prepared) FROM pg_prepared_xacts
             WHERE database = current_database()) AS prepared
    """
)


def oldest_begin(connection: sa.Connection) -> datetime:
    """Return a time before which no transaction began that can still be committed.

    Call it before the snapshot is taken: a transaction that ends between the two is in both.

    Args:
        connection: a connection to the database, in a transaction of its own: PostgreSQL shows the
            same transactions until its end.
    """
    found = connection.execute(_TRANSACTIONS).one()
    times: list[datetime] = [found.now - MARGIN]
    if found.oldest is not None:
        times.append(found.oldest)
    if found.is_hidden:
        times.append(found.now - UNKNOWN_MARGIN)
    if found.prepared is not None:
        times.append(found.prepared - UNKNOWN_MARGIN)
    return min(times)
