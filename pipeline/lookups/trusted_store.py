"""The fingerprint store, as far as it says what the database would say.

The store follows the changelog, so it may be behind: it lacks what came last, which costs a
statement, or it still has what was deleted or moved to another track, which would be a wrong
answer. The database gives notice of those, and from then on the store is left alone until it has
followed. Now and then the database is asked, should its notices get lost, and whether the store is
its own. While it can't be asked, rows are read, perhaps from its read-only twin.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

import structlog

from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import ChangelogWatch
from pipeline.fingerprint_store import FingerprintStore, FingerprintStoreError, Found
from pipeline.following.update_store import is_own
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases

CHECK_EVERY: Final = 5.0
"""Seconds after which the database is asked, though it gave no notice."""

REST: Final = 30.0
"""Seconds for which a database that was away is not asked: to be refused may take seconds."""

logger = structlog.get_logger("acoustid.stages.trusted_store")


class TrustedStore:
    """Answers from a store while that is right; for use by several threads.

    Args:
        store: what is read.
        databases: of which the fingerprint database says whether it may be.
        clock: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        store: FingerprintStore,
        databases: Databases,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._databases = databases
        self._clock = clock
        self._asking = threading.Lock()
        self._watch = ChangelogWatch(databases)
        self._due = -float("inf")  # when the database is asked again
        self._needed = 0  # changelog position that the store must have reached
        self._is_own = False

    def find(self, ids: Collection[int], shortest: int, longest: int) -> Found:
        """Return the fingerprints with these ids and a length within the bounds (seconds).

        All are missing while the store must not be used, or can't be read.
        """
        try:
            if self._may_be_used():
                return self._store.find(ids, shortest, longest, reached=self._needed)
        except (FingerprintStoreError, OSError) as error:
            logger.warning("the fingerprint store cannot be read", error=str(error))
        return Found({}, list(ids))

    def close(self) -> None:
        """Let the files and the connection go; a later call would open them again."""
        with self._asking:
            self._watch.close()
        self._store.close()

    def _may_be_used(self) -> bool:
        """Tell whether to read the store, if it has reached the position that is needed."""
        with self._asking:
            # News of a store that isn't used need not be heard: the next question settles it.
            if self._clock() >= self._due or (self._is_own and self._has_news()):
                self._ask()
            return self._is_own

    def _has_news(self) -> bool:
        try:
            return self._watch.heard()
        except DATABASE_UNREACHABLE:
            return True

    def _ask(self) -> None:
        self._is_own = False  # whatever fails below
        self._due = self._clock() + CHECK_EVERY
        try:
            self._watch.heard()  # before the question, or news after it would be missed
            with self._databases.engine("fingerprint").connect() as connection:
                self._needed = changelog.position(connection)
                self._is_own = is_own(self._store, connection)
        except DATABASE_UNREACHABLE as error:
            logger.warning("the database cannot be asked", error=type(error).__name__)
            self._due = self._clock() + REST
