"""Searches the index while it is complete and belongs to the fingerprint database.

A missing, partly filled, foreign or damaged index would answer with too few results. So a search of
such an index raises an error. Each commit of the index names an entry of the changelog. The entry
is compared with the database after a commit and every `CHECK_EVERY` seconds, not for each search.
While the database can't be queried, an index that was verified before stays in use, and the
read-only database is queried for another one.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray

from pipeline.catalog.fingerprint import changelog
from pipeline.index import (
    ChangelogState,
    FingerprintIndexError,
    Hits,
    IndexCorrupt,
    IndexStats,
    SearchTimeout,
    StateRefused,
    index_contains,
)
from pipeline.index.errors import IndexUnavailable, RequestRefused
from pipeline.index.interface import StatefulIndex
from pipeline.lookups.condition import INDEX_ADVICE, Condition
from pipeline.lookups.condition_log import ConditionLog
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases, limit_statements

Used = TypeVar("Used")

CHECK_EVERY: Final = 5.0
"""Seconds between two comparisons of an unchanged index with the database."""

RETRY_AFTER: Final = 30.0
"""Seconds without a query after a failed one, for an index that was verified before."""

STATEMENT_LIMIT: Final = 3.0
"""Maximum seconds of a statement."""

logger = structlog.get_logger("acoustid.lookups.trusted_index")


class IndexUnusable(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """The index can't answer searches. A retry may succeed.

    Attributes:
        condition: the reason.
    """

    def __init__(self, condition: Condition) -> None:
        super().__init__(condition)
        self.condition = condition

    def __str__(self) -> str:
        return str(INDEX_ADVICE[self.condition])


class _Verdict(NamedTuple):
    """The condition of one state of the index, and the time at which it is determined again."""

    state: ChangelogState | None
    condition: Condition
    due: float


class TrustedIndex:
    """An index that is searched while it is usable. A `FingerprintIndex`. Thread-safe.

    Every method raises `IndexUnusable` if the index is not usable. With an index on servers, the
    first call without an answer raises `IndexUnavailable` or `SearchTimeout`, so that a retry may
    find a server that was restarted. Later calls raise `IndexUnusable` until a server answers.

    Args:
        open_index: returns the open index; is called for each search, so it should keep it.
        databases: the fingerprint database is compared with the index.
        clock: monotonic time in seconds.
        logs_changes: whether changes of the condition are logged.
    """

    def __init__(
        self,
        open_index: Callable[[], StatefulIndex],
        databases: Databases,
        clock: Callable[[], float] = time.monotonic,
        *,
        logs_changes: bool = True,
    ) -> None:
        self._open = open_index
        self._databases = databases
        self._clock = clock
        self._log = ConditionLog(
            logger,
            "the index is usable again",
            "the index is not usable; lookups are answered with 503, imports wait",
            INDEX_ADVICE,
            enabled=logs_changes,
        )
        self._last: Condition | None = None
        self._needs_check = False
        self._checking = threading.Lock()
        self._verdict: _Verdict | None = None
        self._verified: _Verdict | None = None  # the last one that the database has confirmed
        self._stamped: tuple[int, int] | None = None  # that of the last usable index
        self._sampled: tuple[ChangelogState | None, bool] | None = None  # an index without a stamp
        self._has_failed = False  # whether the last query has failed

    def search(
        self,
        queries: Sequence[NDArray[np.uint32]],
        *,
        limit: int = 40,
        min_score: int = 1,
        score_pct: int = 10,
        max_postings: int | None = None,
        timeout: float | None = None,
    ) -> list[Hits]:
        """Search as `FingerprintIndex` does."""

        def search(index: StatefulIndex) -> list[Hits]:
            return index.search(
                queries,
                limit=limit,
                min_score=min_score,
                score_pct=score_pct,
                max_postings=max_postings,
                timeout=timeout,
                accept=self._accepts,
            )

        return self._use(search)

    def position(self) -> int:
        """Return the changelog position of the index, after a comparison with the database.

        It is 0 if there is no index because the changelog is empty or new.
        """
        state = self._use(lambda index: index.changelog_state(self._accepts_now))
        return state.position if state else 0

    def stats(self) -> IndexStats:
        """Return the size of the index, also of one that is not usable."""
        return self._open().stats()

    def condition(self) -> Condition:
        """Return the condition of the index, after a comparison with the database.

        A change is logged. A worker calls this every few seconds in a thread, so its lookups rarely
        query the database themselves.
        """
        self._needs_check = False
        try:
            self._use(lambda index: index.changelog_state(self._accepts_now))
        except IndexUnusable as error:
            return error.condition
        except (IndexUnavailable, SearchTimeout, RequestRefused) as error:
            return self._report(Condition.UNREACHABLE, error)
        return Condition.OK

    def last_condition(self) -> Condition | None:
        """Return the condition that the last search or check found; None before the first one."""
        return self._last

    def needs_check(self) -> bool:
        """Return whether a search had no answer in time since the last call of `condition`."""
        return self._needs_check

    def _report(self, condition: Condition, error: Exception | None = None) -> Condition:
        self._last = condition
        return self._log.report(condition, error)

    def _use(self, use: Callable[[StatefulIndex], Used]) -> Used:
        """Return the result of a function of the index; raise `IndexUnusable` for its reasons."""
        try:
            result = use(self._open())
        except StateRefused as error:
            condition = self._determine(error.state)
            if condition is Condition.OK:  # it was refused a moment ago
                condition = Condition.FILLING
            raise IndexUnusable(self._report(condition)) from None
        except (IndexCorrupt, OSError) as error:
            raise IndexUnusable(self._report(Condition.DAMAGED, error)) from error
        except (IndexUnavailable, SearchTimeout, RequestRefused) as error:
            self._handle_no_answer(error)
            raise
        except FingerprintIndexError:
            raise
        except Exception as error:
            self._require_intact(error)
            raise
        self._report(Condition.OK)
        return result

    def _handle_no_answer(self, error: FingerprintIndexError) -> None:
        """Raise `IndexUnusable` if it is known that no server answers."""
        if self._last is Condition.UNREACHABLE:
            raise IndexUnusable(Condition.UNREACHABLE) from error
        self._needs_check = True
        if isinstance(error, IndexUnavailable):
            self._report(Condition.UNREACHABLE, error)

    def _require_intact(self, error: Exception) -> None:
        """Raise `IndexUnusable` if a damaged file may be the reason of an error."""
        try:
            self._open().changelog_state()
        except (IndexCorrupt, OSError) as damage:
            raise IndexUnusable(self._report(Condition.DAMAGED, damage)) from error

    def _accepts(self, state: ChangelogState | None) -> bool:
        verdict = self._verdict
        if verdict is not None and verdict.state == state and self._clock() < verdict.due:
            return verdict.condition is Condition.OK
        return self._determine(state) is Condition.OK

    def _accepts_now(self, state: ChangelogState | None) -> bool:
        with self._checking:
            return self._query_database(state) is Condition.OK

    def _determine(self, state: ChangelogState | None) -> Condition:
        """Return the condition of a state; query the database if a query is due."""
        verdict = self._verdict
        is_known = verdict is not None and verdict.state == state
        # If another thread queries the database, an unchanged state does not wait for it.
        if not self._checking.acquire(blocking=not is_known) and verdict is not None:
            return verdict.condition
        try:
            verdict = self._verdict
            if verdict is not None and verdict.state == state and self._clock() < verdict.due:
                return verdict.condition
            return self._query_database(state)
        finally:
            self._checking.release()

    def _query_database(self, state: ChangelogState | None) -> Condition:
        pause = CHECK_EVERY
        try:
            condition = self._compare(state, self._databases.engine("fingerprint"))
        except DATABASE_UNUSABLE as error:
            condition = Condition.UNREACHABLE
            if self._was_verified(state) or self._replica_confirms(state):
                condition, pause = Condition.OK, RETRY_AFTER
            self._log_failure(error, in_use=condition is Condition.OK)
        else:
            self._has_failed = False
            self._verified = _Verdict(state, condition, 0.0)
            if condition is Condition.OK and state is not None and state.stamped:
                self._stamped = state.stamped
        self._verdict = _Verdict(state, condition, self._clock() + pause)
        return condition

    def _compare(self, state: ChangelogState | None, engine: sa.Engine) -> Condition:
        with engine.connect() as connection:
            limit_statements(connection, STATEMENT_LIMIT)
            return _condition(
                connection, state, self._stamped, lambda sample: self._contains(state, sample)
            )

    def _contains(
        self, state: ChangelogState | None, sample: Mapping[int, NDArray[np.uint32]]
    ) -> bool:
        """Return whether the index contains a sample; search for it once for each state."""
        if self._sampled is None or self._sampled[0] != state:
            self._sampled = state, index_contains(self._open(), sample)
        return self._sampled[1]

    def _replica_confirms(self, state: ChangelogState | None) -> bool:
        """Return whether the read-only database has the index's entry; it may lag behind."""
        replica = self._databases.engine("fingerprint", read_only=True)
        if replica is self._databases.engine("fingerprint"):
            return False
        try:
            return self._compare(state, replica) is Condition.OK
        except DATABASE_UNUSABLE:
            return False

    def _log_failure(self, error: Exception, *, in_use: bool) -> None:
        if self._log.enabled and not self._has_failed:
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


def _condition(
    connection: sa.Connection,
    state: ChangelogState | None,
    known: tuple[int, int] | None,
    contains: Callable[[Mapping[int, NDArray[np.uint32]]], bool],
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
