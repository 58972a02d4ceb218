"""Reads the fingerprint store while its content agrees with the database.

The store follows the changelog and may be behind. A fingerprint that is not in the store is read
from the database. A fingerprint that was deleted or moved to another track would give a wrong
answer, so the database sends a notification, and the store is not read until it has applied the
change. Every `CHECK_EVERY` seconds the database is also queried, because a notification may be lost
and the store may belong to another database. While the database is unreachable, candidates are read
from the read-only database.
"""

import threading
import time
from collections.abc import Callable, Collection
from typing import Final

import structlog

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import ChangelogWatch
from pipeline.fingerprint_store import FingerprintStore, FingerprintStoreError, Found
from pipeline.lookups.changelog_lag import ChangelogLag
from pipeline.lookups.condition import STORE_ADVICE, Condition
from pipeline.lookups.condition_log import ConditionLog, fault_of_file
from pipeline.runtime.databases import DATABASE_UNREACHABLE, Databases
from pipeline.runtime.links.deadline import ends_within

CHECK_EVERY: Final = 5.0
"""Seconds between two queries for the changelog's position."""

CHECK_LIMIT: Final = 3.0
"""Maximum seconds of a comparison with the database."""

RETRY_AFTER: Final = 5.0
"""Seconds without a query after a failed one: a failed connection may take seconds."""

logger = structlog.get_logger("acoustid.lookups.trusted_store")


class TrustedStore:
    """A fingerprint store that is read while it agrees with the database. Thread-safe.

    Args:
        store: the store to read.
        databases: the fingerprint database is compared with the store.
        clock: monotonic time in seconds.
        max_lag: seconds by which the store may be behind the database without a fault; 0 for any
            time. Lookups read what it lacks from the database.
    """

    def __init__(
        self,
        store: FingerprintStore,
        databases: Databases,
        clock: Callable[[], float] = time.monotonic,
        *,
        max_lag: float = 0.0,
    ) -> None:
        self._store = store
        self._databases = databases
        self._clock = clock
        self._max_lag = max_lag
        self._lag = ChangelogLag(clock)
        self._seconds_behind = 0.0  # at the last query
        self._checking = threading.Lock()
        self._watch = ChangelogWatch(databases)
        self._due = -float("inf")  # time of the next query
        self._needed = 0  # changelog position that the store must have
        self._is_same_database = False
        self._is_reachable = False
        self._is_established = False  # whether an index worker should have filled the store
        self._log = ConditionLog(
            logger,
            "the fingerprint store is read again",
            "the fingerprint store is not read; lookups read from the database",
            STORE_ADVICE,
        )

    def find(
        self, ids: Collection[int], shortest: int, longest: int, most_words: int | None = None
    ) -> Found:
        """Return the fingerprints with these ids and a length within the bounds (seconds).

        All fingerprints are reported as missing while the store is out of date or can't be read.
        Of each, `most_words` words are read from the first one on, or all with None.
        """
        try:
            if self._follows_database():
                return self._store.find(
                    ids, shortest, longest, most_words=most_words, reached=self._needed
                )
        except (FingerprintStoreError, OSError) as error:
            self._log.report(fault_of_file(error), error)
        return Found({}, list(ids))

    def condition(self) -> Condition:
        """Return the condition of the store; a change is logged.

        Lookups work in any condition: they read from the database instead.
        """
        try:
            self._store.check_files()
            condition = self._determine()
        except (FingerprintStoreError, OSError) as error:
            return self._log.report(fault_of_file(error), error)
        return self._log.report(condition)

    def damage(self) -> str:
        """Return the damaged file and its problem; an empty text unless the store is damaged."""
        return self._log.damage

    def position(self) -> int:
        """Return the changelog position of the store.

        Raises:
            FingerprintStoreError: its files are damaged.
        """
        return self._store.position()

    def close(self) -> None:
        """Close the files and the connection. A later call opens them again."""
        with self._checking:
            self._watch.close()
        self._store.close()

    def _determine(self) -> Condition:
        """Return the condition of a store whose files have the right lengths."""
        if not self._follows_database():
            return Condition.FOREIGN if self._is_reachable else Condition.UNREACHABLE
        if self._is_established and not self._store.position():
            return Condition.MISSING if self._store.is_missing() else Condition.FILLING
        if self._max_lag and self._seconds_behind > self._max_lag:
            return Condition.LAGGING
        return Condition.OK

    def _follows_database(self) -> bool:
        """Return whether the store follows this database; query the database if a query is due."""
        with self._checking:
            # A store that is not read needs no notifications: the next query reads the position.
            if self._clock() >= self._due or (self._is_same_database and self._was_notified()):
                self._query_database()
            return self._is_same_database

    def _was_notified(self) -> bool:
        try:
            return self._watch.was_notified()
        except DATABASE_UNREACHABLE:
            return True

    def _query_database(self) -> None:
        self._is_same_database = False  # in case of an error below
        self._is_reachable = False
        self._due = self._clock() + CHECK_EVERY
        try:
            with ends_within(CHECK_LIMIT):
                self._compare()
        except DATABASE_UNREACHABLE as error:
            logger.warning("the fingerprint database is unreachable", error=type(error).__name__)
            self._due = self._clock() + RETRY_AFTER

    def _compare(self) -> None:
        self._watch.was_notified()  # discards older ones; later ones are kept for the next call
        with self._databases.engine("fingerprint").connect() as connection:
            self._needed = newest_position(connection)
            self._is_established = changelog.is_established(connection)
            had_all = self._lag.measure(connection, self._store.position())
            self._seconds_behind = self._clock() - had_all
            self._is_reachable = True
            self._is_same_database = changelog.has_entry(connection, *self._store.reached())
