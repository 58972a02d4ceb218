"""Refuses requests that write to a database while the service is under maintenance."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

from api.access.app_reading import READ_TIME, reading_app
from api.http.errors import ServiceUnavailableError
from pipeline.catalog.app.maintenance import Maintenance, find_maintenance
from pipeline.runtime.databases import Databases

CACHED: Final = 2.0
"""Seconds for which a front end uses a state that it has read."""

LONGEST_WAIT: Final = 2 * READ_TIME
"""Maximum seconds to wait for another thread's read: for a connection, then for the statement."""

RETRY_AFTER: Final = 300
"""Seconds after which a client should try again. The end of the maintenance is not known."""


class MaintenanceMode:
    """The state of the maintenance mode. Thread-safe.

    Args:
        databases: the state is in the app database.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, databases: Databases, clock: Callable[[], float] = time.monotonic) -> None:
        self._databases = databases
        self._clock = clock
        self._lock = threading.Lock()
        self._state: Maintenance | None = None
        self._read_again = -math.inf

    def current(self, deadline: float = math.inf) -> Maintenance | None:
        """Return the maintenance, None if it is off. The state is at most `CACHED` seconds old.

        Args:
            deadline: time at which the query is cancelled, on the monotonic clock.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is unreachable.
            ServiceUnavailableError: another thread still reads the state at the deadline, or after
                `LONGEST_WAIT`.
        """
        if self._clock() < self._read_again:
            return self._state
        seconds = min(deadline - time.monotonic(), LONGEST_WAIT)
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            raise ServiceUnavailableError
        try:
            begun = self._clock()
            if begun >= self._read_again:
                self._state = self._read(deadline)
                self._read_again = begun + CACHED
            return self._state
        finally:
            self._lock.release()

    def refuse(self, deadline: float = math.inf) -> None:
        """Raise an error if the service is under maintenance; see `current`.

        Raises:
            ServiceUnavailableError: the service is under maintenance. The message has the
                operator's reason.
        """
        found = self.current(deadline)
        if found is not None:
            reason = f" ({found.reason})" if found.reason else ""
            raise ServiceUnavailableError(
                RETRY_AFTER,
                "the server is under maintenance and refuses submissions, edits and new accounts"
                f"{reason}; send the request again in {RETRY_AFTER // 60} minutes",
            )

    def _read(self, deadline: float) -> Maintenance | None:
        with reading_app(self._databases, deadline) as connection:
            return find_maintenance(connection)
