"""Holds new submissions back in the database while others wait, and refuses them above a limit."""

import threading
import time
from collections.abc import Sequence
from typing import Final

import redis
from redis.exceptions import RedisError

from api.access.redis_outage import RedisCircuitBreaker
from api.http.errors import ServiceUnavailableError
from pipeline.catalog.ingest import leases
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases
from tasks.redis_state import import_backlog
from tasks.redis_state.import_backlog import QueueState

SHARED: Final = 1.0
"""Seconds for which a number that was read from Redis is used again."""

RETRY_AFTER: Final = 10
"""Seconds after which a refused client should try again; the number is measured that often."""


class SubmissionBacklog:
    """The pending submissions of the service, as a front end sees them. Thread-safe.

    Args:
        databases: the submissions are in the ingest database.
        client: a Redis client with a short timeout.
        breaker: skips Redis while it is unreachable; then the database is asked.
        limit: maximum number of pending submissions; 0 for no limit.
    """

    def __init__(
        self,
        databases: Databases,
        client: redis.Redis,
        breaker: RedisCircuitBreaker,
        limit: int,
    ) -> None:
        self._databases = databases
        self._client = client
        self._breaker = breaker
        self._limit = limit
        self._lock = threading.Lock()
        self._pending = 0
        self._due = -SHARED

    def refuse_above_limit(self) -> None:
        """Refuse a request while too many submissions are pending.

        Raises:
            ServiceUnavailableError: they are more than the limit.
        """
        if self._limit and self._count() > self._limit:
            raise ServiceUnavailableError(
                RETRY_AFTER, hint="too many submissions wait for their import"
            )

    def leave(self, ids: Sequence[int]) -> None:
        """Leave submissions in the database, from where the workers take them.

        Raises:
            sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError: the database is unreachable. The
                submissions are due when their leases end.
            redis.exceptions.RedisError: Redis is unreachable; the submissions are due.
        """
        with self._databases.engine("ingest").begin() as connection:
            leases.release(connection, ids)
        import_backlog.set_backlog(self._client, exists=True)

    def queue_state(self) -> QueueState | None:
        """Return the state of the queue of imports; None if Redis is unreachable."""
        try:
            return import_backlog.queue_state(self._client)
        except RedisError:
            return None

    def _count(self) -> int:
        now = time.monotonic()
        with self._lock:
            is_due = now >= self._due
            if is_due:
                self._due = now + SHARED
        if is_due:
            known = self._breaker.call(self._read, None)
            self._pending = self._count_in_database() if known is None else known
        return self._pending

    def _read(self) -> int | None:
        return import_backlog.pending(self._client)

    def _count_in_database(self) -> int:
        """Count the pending submissions: no worker has done it for a minute, or Redis is away."""
        with self._lock:
            self._due = time.monotonic() + RETRY_AFTER
        try:
            with self._databases.engine("ingest").connect() as connection:
                return leases.count_pending(connection, self._limit + 1)
        except DATABASE_UNUSABLE:
            return 0  # the submission is refused anyway
