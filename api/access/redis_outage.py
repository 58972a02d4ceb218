"""Skips Redis for a second after a failed command, so that requests do not wait for timeouts."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

T = TypeVar("T")

BROKER_UNREACHABLE: Final = (OperationalError, RedisError)
"""Raised when the broker, which is Redis, is unreachable or refuses a message."""

SKIP_TIME: Final = 1.0
"""Seconds for which Redis is skipped after a failed command."""

LOG_INTERVAL: Final = 60.0
"""Minimum time in seconds between two log messages during an outage."""

logger = structlog.get_logger("acoustid.api.access.redis_outage")


class RedisCircuitBreaker:
    """Runs Redis commands that are optional for the front end.

    After a failed command, no command is sent for `SKIP_TIME` seconds, since each may take as long
    as its timeout.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._skip_until = self._next_log_at = -float("inf")

    def call(self, command: Callable[[], T], default: T) -> T:
        """Return the result of the command; `default` if it fails or is skipped."""
        if self._clock() < self._skip_until:
            return default
        try:
            return command()
        except RedisError as error:
            self._open(error)
            return default

    def _open(self, error: RedisError) -> None:
        now = self._clock()
        with self._lock:
            self._skip_until = now + SKIP_TIME
            silent = now < self._next_log_at
            if not silent:
                self._next_log_at = now + LOG_INTERVAL
        if not silent:
            logger.error(
                "Redis is unreachable: no rate limits apply, keys are read from the database",
                error=str(error),
            )
