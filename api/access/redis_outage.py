"""Skips Redis for a second after a failed command, so that requests don't wait for time-outs."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from redis.exceptions import RedisError

T = TypeVar("T")

PAUSE: Final = 1.0
"""Seconds for which Redis is skipped after a failed command."""

LOG_INTERVAL: Final = 60.0
"""Seconds between two log messages during an outage."""

logger = structlog.get_logger("acoustid.api.access.redis_outage")


class RedisCircuitBreaker:
    """Runs the Redis commands that the front end can do without.

    After a failed command none is sent for `PAUSE` seconds, since each may take its time-out.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._closed_at = self._next_log_at = -float("inf")

    def call(self, command: Callable[[], T], default: T) -> T:
        """Return the command's result, or `default` during an outage."""
        if self._clock() < self._closed_at:
            return default
        try:
            return command()
        except RedisError as error:
            self._open(error)
            return default

    def _open(self, error: RedisError) -> None:
        now = self._clock()
        with self._lock:
            self._closed_at = now + PAUSE
            silent = now < self._next_log_at
            if not silent:
                self._next_log_at = now + LOG_INTERVAL
        if not silent:
            logger.error(
                "Redis is unreachable: no rate limits, keys from the database", error=str(error)
            )
