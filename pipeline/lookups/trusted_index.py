"""Searches the index while it is complete and belongs to the fingerprint database.

A missing, partly filled, foreign or damaged index would answer with too few results. So a search of
such an index raises an error. Each commit of the index names an entry of the changelog, which is
compared with the database: after a commit and every few seconds, not for each search.
While the database can't be queried, an index that was verified before stays in use, and the
read-only database is queried for another one.

The same queries measure how far the index is behind. An index that is behind by more than the
permitted lag is refused, and so is one that was not compared with a database for that time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, NamedTuple, TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from pipeline.index import (
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
from pipeline.lookups.condition import INDEX_ADVICE, Advice, Condition
from pipeline.lookups.condition_log import ConditionLog, fault_of_file
from pipeline.lookups.index_comparison import IndexComparison
from pipeline.lookups.index_verdict import IndexVerdicts
from pipeline.runtime.databases import Databases

Used = TypeVar("Used")

logger = structlog.get_logger("acoustid.lookups.trusted_index")


class IndexUnusable(FingerprintIndexError):  # noqa: N818 - named for the state it reports
    """The index can't answer searches. A retry may succeed.

    Attributes:
        advice: the line for each reason.
        condition: the reason.
    """

    advice: ClassVar[Mapping[Condition, Advice]] = INDEX_ADVICE

    def __init__(self, condition: Condition) -> None:
        self.condition = Condition(condition)  # rebuilt from a message, it is a text
        super().__init__(self.condition.value)

    def __str__(self) -> str:
        return str(self.advice[self.condition])


class Kind(NamedTuple):
    """The texts and the error of one kind of index.

    Attributes:
        usable: the message when it is usable again.
        unusable: the message when it is not usable.
        error: is raised for an index that is not usable.
    """

    usable: str
    unusable: str
    error: type[IndexUnusable]


PUBLIC_INDEX: Final = Kind(
    "the index is usable again",
    "the index is not usable; lookups are answered with 503",
    IndexUnusable,
)
"""The index of the public algorithm."""


class TrustedIndex:
    """An index that is searched while it is usable. A `FingerprintIndex`. Thread-safe.

    Every method raises `IndexUnusable` if the index is not usable. With an index on servers, the
    first call without an answer raises `IndexUnavailable` or `SearchTimeout`, so that a retry may
    find a server that was restarted. Later calls raise `IndexUnusable` until a server answers.

    Args:
        open_index: returns the open index; is called for each search, so it should keep it.
        databases: the fingerprint database is compared with the index.
        clock: monotonic time in seconds.
        max_lag: seconds by which the index may be behind the database; 0 for any time.
        logs_changes: whether changes of the condition are logged.
        kind: the kind of the index.
    """

    def __init__(
        self,
        open_index: Callable[[], StatefulIndex],
        databases: Databases,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_lag: float = 0.0,
        logs_changes: bool = True,
        kind: Kind = PUBLIC_INDEX,
    ) -> None:
        self._open = open_index
        self._error = kind.error
        comparison = IndexComparison(
            databases, lambda sample: index_contains(self._open(), sample), clock
        )
        self._verdicts = IndexVerdicts(comparison, clock, max_lag, logs=logs_changes)
        self._log = ConditionLog(
            logger,
            kind.usable,
            kind.unusable,
            kind.error.advice,
            enabled=logs_changes,
        )
        self._last: Condition | None = None
        self._needs_check = False

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
                accept=self._verdicts.accepts,
            )

        return self._use(search)

    def require_usable(self) -> None:
        """Raise `IndexUnusable` unless a search may use the index; query the database if due."""
        self._use(lambda index: index.changelog_state(self._verdicts.accepts))

    def position(self) -> int:
        """Return the changelog position of the index, after a comparison with the database.

        It is 0 if there is no index because the changelog is empty or new.
        """
        state = self._use(lambda index: index.changelog_state(self._verdicts.accepts_now))
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
            self._use(lambda index: index.changelog_state(self._verdicts.accepts_now))
        except IndexUnusable as error:
            return error.condition
        except (IndexUnavailable, SearchTimeout, RequestRefused) as error:
            return self._report(Condition.UNREACHABLE, error)
        return Condition.OK

    def last_condition(self) -> Condition | None:
        """Return the condition that the last search or check found; None before the first one."""
        return self._last

    def damage(self) -> str:
        """Return the damaged file and its problem; an empty text unless the index is damaged."""
        return self._log.damage

    def lag(self) -> float | None:
        """Return an upper bound of the seconds by which the index is behind the database.

        It includes the time since the last comparison. None if no comparison has succeeded.
        """
        return self._verdicts.lag()

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
            condition = self._verdicts.determine(error.state)
            if condition is Condition.OK:  # it was refused a moment ago
                condition = Condition.FILLING
            raise self._error(self._report(condition)) from None
        except (IndexCorrupt, OSError) as error:
            raise self._error(self._report(fault_of_file(error), error)) from error
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
            raise self._error(Condition.UNREACHABLE) from error
        self._needs_check = True
        if isinstance(error, IndexUnavailable):
            self._report(Condition.UNREACHABLE, error)

    def _require_intact(self, error: Exception) -> None:
        """Raise `IndexUnusable` if a damaged file may be the reason of an error."""
        try:
            self._open().changelog_state()
        except (IndexCorrupt, OSError) as damage:
            raise self._error(self._report(fault_of_file(damage), damage)) from error
