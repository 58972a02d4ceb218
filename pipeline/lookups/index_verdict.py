"""Determines the condition of the states of an index, and keeps it until it may have changed.

A state is compared with the database after a commit of the index and every `CHECK_EVERY` seconds,
not for each search.
"""

import math
import threading
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from pipeline.index import ChangelogState
from pipeline.lookups.condition import Condition
from pipeline.lookups.index_comparison import Compared, IndexComparison
from pipeline.runtime.databases import DATABASE_UNUSABLE

CHECK_EVERY: Final = 5.0
"""Seconds between two comparisons of an unchanged index with the database."""

RETRY_AFTER: Final = 30.0
"""Seconds without a query after a failed one, for an index that was verified before."""

STALL_WAIT: Final = 1.0
"""Seconds for which a search waits for another thread's query before the index is refused."""

logger = structlog.get_logger("acoustid.lookups.index_verdict")


class _Verdict(NamedTuple):
    """The condition of one state of the index.

    Attributes:
        state: the state.
        condition: its condition.
        due: the time at which it is determined again.
        had_all: a time at which the index had all changes of the database.
    """

    state: ChangelogState | None
    condition: Condition
    due: float
    had_all: float


class IndexVerdicts:
    """The conditions of the states of one index, whose files are intact. Thread-safe.

    Args:
        comparison: compares a state with the databases.
        clock: monotonic time in seconds.
        max_lag: seconds by which the index may be behind the database; 0 for any time.
        logs: whether it is logged that the database cannot be queried.
    """

    def __init__(
        self,
        comparison: IndexComparison,
        clock: Callable[[], float],
        max_lag: float,
        *,
        logs: bool = True,
    ) -> None:
        self._comparison = comparison
        self._clock = clock
        self._max_lag = max_lag
        self._logs = logs
        self._checking = threading.Lock()
        self._verdict: _Verdict | None = None
        self._verified: _Verdict | None = None  # the last one that the database has confirmed
        self._has_failed = False  # whether the last query has failed

    def lag(self) -> float | None:
        """Return an upper bound of the seconds by which the index is behind the database.

        It includes the time since the last comparison. None if no comparison has succeeded.
        """
        verified = self._verified
        if verified is None or math.isinf(verified.had_all):
            return None
        return max(0.0, self._clock() - verified.had_all)

    def accepts(self, state: ChangelogState | None) -> bool:
        """Return whether a state is usable."""
        verdict = self._verdict
        if verdict is not None and verdict.state == state and self._clock() < verdict.due:
            return verdict.condition is Condition.OK
        return self.determine(state) is Condition.OK

    def accepts_now(self, state: ChangelogState | None) -> bool:
        """Return whether a state is usable, after a query of the database."""
        with self._checking:
            return self._query_database(state) is Condition.OK

    def determine(self, state: ChangelogState | None) -> Condition:
        """Return the condition of a state; query the database if a query is due."""
        verdict = self._verdict
        # If another thread queries the database, a known state does not wait while it is current.
        is_known = verdict is not None and verdict.state == state and self._holds(verdict)
        if not self._checking.acquire(timeout=0.0 if is_known else STALL_WAIT):
            return self._condition_without_query(state)
        try:
            verdict = self._verdict
            if verdict is not None and verdict.state == state and self._clock() < verdict.due:
                return verdict.condition
            return self._query_database(state)
        finally:
            self._checking.release()

    def _condition_without_query(self, state: ChangelogState | None) -> Condition:
        """Return the condition of a state while another thread's query does not end."""
        verdict = self._verdict
        if verdict is not None and verdict.state == state and self._holds(verdict):
            return verdict.condition
        if self._verified and self._was_verified(state) and self._holds(self._verified):
            return Condition.OK
        # The next searches do not wait again, for a short while.
        due = self._clock() + STALL_WAIT
        self._verdict = _Verdict(state, Condition.UNREACHABLE, due, -math.inf)
        return Condition.UNREACHABLE

    def _holds(self, verdict: _Verdict) -> bool:
        """Return whether a verdict still holds: an index that was usable may be behind now."""
        if verdict.condition is not Condition.OK:
            return True
        return self._clock() < self._current_until(verdict.had_all)

    def _current_until(self, had_all: float) -> float:
        """Return the time up to which the index can't be behind by more than the permitted lag."""
        return had_all + self._max_lag if self._max_lag else math.inf

    def _query_database(self, state: ChangelogState | None) -> Condition:
        pause = CHECK_EVERY
        try:
            condition, had_all = self._comparison.with_database(state)
        except DATABASE_UNUSABLE as error:
            condition, had_all = self._condition_without_database(state)
            if condition is Condition.OK:
                pause = RETRY_AFTER
            self._log_failure(error, in_use=condition is Condition.OK)
        else:
            self._has_failed = False
            self._verified = _Verdict(state, condition, 0.0, had_all)
        current_until = self._current_until(had_all)
        now = self._clock()
        if condition is Condition.OK and now >= current_until:
            condition = Condition.LAGGING
        due = min(now + pause, current_until) if condition is Condition.OK else now + pause
        self._verdict = _Verdict(state, condition, due, had_all)
        return condition

    def _condition_without_database(self, state: ChangelogState | None) -> Compared:
        """Return the condition of a state while the database can't be queried."""
        verified = self._verified
        if verified is not None and self._was_verified(state) and self._holds(verified):
            return Compared(Condition.OK, verified.had_all)
        compared = self._comparison.with_replica(state)
        if compared is not None and compared.condition is Condition.OK:
            return compared
        return Compared(Condition.UNREACHABLE, -math.inf)

    def _log_failure(self, error: Exception, *, in_use: bool) -> None:
        if self._logs and not self._has_failed:
            logger.warning(
                "the index is not compared with the database",
                error=type(error).__name__,
                in_use=in_use,
            )
        self._has_failed = True

    def _was_verified(self, state: ChangelogState | None) -> bool:
        """Return whether the database has confirmed a state, or an earlier one of the index."""
        verified = self._verified
        if verified is None or verified.condition is not Condition.OK:
            return False
        if state is None or verified.state is None:
            return state is verified.state
        return state.position >= verified.state.position and not state.is_filling
