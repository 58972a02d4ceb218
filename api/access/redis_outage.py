"""What the front end does when Redis is away: go on without, and not wait for it each time."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from redis.exceptions import RedisError

T = TypeVar("T")

REST: Final = 1.0
"""Seconds for which Redis is not asked again after it failed."""

QUIET: Final = 60.0
"""Seconds between two log lines about the same outage."""

logger = structlog.get_logger("acoustid.api.redis_watch")


class RedisWatch:
    """Asks Redis for what the front end can do without.

    Each question that fails costs its time-out, so after one nobody asks for a second.

    Args:
        clock: seconds on a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asks_at = self._logs_at = -float("inf")

    def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Return what the question returns, or `otherwise` while Redis is away."""
        if self._clock() < self._asks_at:
            return otherwise
        try:
            return question()
        except RedisError as error:
            self._note(error)
            return otherwise

    def _note(self, error: RedisError) -> None:
        now = self._clock()
        with self._lock:
            self._asks_at = now + REST
            silent = now < self._logs_at
            if not silent:
                self._logs_at = now + QUIET
        if not silent:
            logger.error("redis is away: no rate limit, keys from the database", error=str(error))
