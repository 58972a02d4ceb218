"""Compares the state of an index with the fingerprint database, or with its read-only replica."""

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.catalog.fingerprint import changelog
from pipeline.index import ChangelogState
from pipeline.lookups.changelog_lag import ChangelogLag, replay_delay
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases, limit_statements
from pipeline.runtime.links.deadline import ends_within

STATEMENT_LIMIT: Final = 3.0
"""Maximum seconds of a statement."""

CHECK_LIMIT: Final = 5.0
"""Maximum seconds of a comparison."""

Sample = Mapping[int, NDArray[np.uint32]]


class Compared(NamedTuple):
    """The result of a comparison.

    Attributes:
        condition: the condition of the index; `Condition.OK` also for one that is behind.
        had_all: a time at which the index had all changes, on the clock of `IndexComparison`;
            minus infinity if the index is not usable.
    """

    condition: Condition
    had_all: float


class IndexComparison:
    """Compares states of one index, whose files are intact, with the databases. Not thread-safe.

    Args:
        databases: the fingerprint database and its read-only replica.
        contains: returns whether the index contains a sample of fingerprints by their ids. It is
            called only for an index without a stamp, once for each state.
        clock: monotonic time in seconds.
    """

    def __init__(
        self,
        databases: Databases,
        contains: Callable[[Sample], bool],
        clock: Callable[[], float],
    ) -> None:
        self._databases = databases
        self._search_for = contains
        self._lag, self._replica_lag = ChangelogLag(clock), ChangelogLag(clock)
        self._stamped: tuple[int, int] | None = None  # that of the last usable index
        self._sampled: tuple[ChangelogState | None, bool] | None = None  # an index without a stamp

    def with_database(self, state: ChangelogState | None) -> Compared:
        """Compare a state with the database.

        Raises:
            DATABASE_UNUSABLE: the database cannot be queried.
        """
        compared = self._compare(state, self._databases.engine("fingerprint"), self._lag)
        if compared.condition is Condition.OK and state is not None and state.stamped:
            self._stamped = state.stamped
        return compared

    def with_replica(self, state: ChangelogState | None) -> Compared | None:
        """Compare a state with the read-only replica, which may itself be behind.

        Its own delay counts: otherwise a replica that stands still would make an old index current.

        Return None if there is no replica, or if it cannot be queried.
        """
        replica = self._databases.engine("fingerprint", read_only=True)
        if replica is self._databases.engine("fingerprint"):
            return None
        try:
            return self._compare(state, replica, self._replica_lag, replay_delay)
        except DATABASE_UNUSABLE:
            return None

    def _compare(
        self,
        state: ChangelogState | None,
        engine: sa.Engine,
        lag: ChangelogLag,
        delay: Callable[[sa.Connection], float] = lambda _connection: 0.0,
    ) -> Compared:
        with ends_within(CHECK_LIMIT), engine.connect() as connection:
            limit_statements(connection, STATEMENT_LIMIT)
            condition = _condition(
                connection, state, self._stamped, lambda sample: self._contains(state, sample)
            )
            if condition is not Condition.OK:
                return Compared(condition, -math.inf)
            # Before the measurement: what the replica replays in between makes the bound too large.
            behind = delay(connection)
            had_all = lag.measure(connection, state.position if state else 0)
            return Compared(condition, had_all - behind)

    def _contains(self, state: ChangelogState | None, sample: Sample) -> bool:
        """Return whether the index contains a sample; search for it once for each state."""
        if self._sampled is None or self._sampled[0] != state:
            self._sampled = state, self._search_for(sample)
        return self._sampled[1]


def _condition(
    connection: sa.Connection,
    state: ChangelogState | None,
    known: tuple[int, int] | None,
    contains: Callable[[Sample], bool],
) -> Condition:
    """Return the condition of an index whose files are intact.

    Args:
        connection: a connection to the fingerprint database.
        state: the state of the index; None if there is none.
        known: the stamp of an index of this database, which must be lost if this one is empty.
        contains: see `changelog.is_own_index`.
    """
    if state is None or not state.position:
        is_new = not changelog.is_established(connection) and not (state and state.is_filling)
        if is_new and not (known and changelog.has_entry(connection, *known)):
            return Condition.OK
        return Condition.MISSING if state is None else Condition.FILLING
    if not changelog.is_own_index(
        connection, state.position, state.stamped, state.max_document_id, contains
    ):
        return Condition.FOREIGN
    return Condition.FILLING if state.is_filling else Condition.OK
