"""Measures how far a copy of the changelog, such as the index, is behind the database.

A copy is behind since the commit of the oldest changelog entry that it does not have. The time of
a commit is not stored, so it is bounded in two ways, and the later bound counts:

* The entry was written before its commit. Its age on the clock of the database bounds the lag. A
  long transaction makes this bound too large, and so does a clock that was put forward.
* The entry was not there at an earlier measurement. The time since then, on this process's
  monotonic clock, bounds the lag. It is too large if the process measured nothing for a while.

What is committed after a measurement is younger than the measurement. So a measurement also tells
until when the copy is current.
"""

import math
from bisect import bisect_right
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.fingerprint.tables import fpindex_changelog

_AGE: Final = sa.func.extract("epoch", sa.func.clock_timestamp() - fpindex_changelog.c.created)

# A replica that has replayed all it received, from a primary that still sends, is current.
_REPLAY_DELAY: Final = sa.text("""
    SELECT CASE
        WHEN NOT pg_is_in_recovery() THEN 0
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN 0
        ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
    END
""")

REMEMBERED: Final = 500
"""Positions that are remembered. Of older ones only the age is known."""


def replay_delay(connection: sa.Connection) -> float:
    """Return an upper bound of the seconds by which a server is behind its primary.

    It is 0 for a server that is no replica, and infinite for a replica that has replayed no
    transaction since its start and receives nothing.
    """
    seconds = connection.scalar(_REPLAY_DELAY)
    return math.inf if seconds is None else max(0.0, float(seconds))


class ChangelogLag:
    """Measures the lag of a copy, of which several states may exist at a time. Not thread-safe.

    Args:
        clock: monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._measured = -math.inf  # time of the last measurement
        self._newest: list[int] = []  # positions that were the newest one of the database, rising
        self._absent: list[float] = []  # for each: time of the last measurement before it

    def measure(self, connection: sa.Connection, position: int) -> float:
        """Return a time, not in the future, at which the copy had all entries. One statement.

        Args:
            connection: a connection to the fingerprint database.
            position: the changelog position of the copy.
        """
        begun = self._clock()
        entry = fpindex_changelog.c.id
        newest = sa.select(sa.func.max(entry)).scalar_subquery()
        oldest_missing = sa.select(newest, _AGE).where(entry > position).order_by(entry).limit(1)
        found = connection.execute(oldest_missing).first()
        self._remember(found[0] if found else position)
        self._measured = begun
        if found is None:
            return begun
        at = bisect_right(self._newest, position)
        seen = self._absent[at] if at < len(self._absent) else -math.inf
        age = float(found[1])
        # After the clock of the database was put back, an age is negative, and no bound.
        return seen if age < 0 else max(seen, begun - age)

    def _remember(self, newest: int) -> None:
        if self._newest and newest < self._newest[-1]:  # the database was restored
            self._newest.clear()
            self._absent.clear()
        if not self._newest or newest > self._newest[-1]:
            self._newest.append(newest)
            self._absent.append(self._measured)
        if len(self._newest) > REMEMBERED:
            del self._newest[0]
            del self._absent[1]  # the earlier time is a bound for both
