"""Skips Redis for a short time after it was unreachable, so that requests wait for no timeouts."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from pipeline.runtime.links.circuit import Circuit
from pipeline.runtime.redis_client import REDIS_UNREACHABLE

T = TypeVar("T")

BROKER_UNREACHABLE: Final = (OperationalError, RedisError)
"""Raised when the broker, which is Redis, is unreachable or refuses a message."""

TRIAL_TIME: Final = 4.0
"""Maximum seconds that a trial takes: a connection and the replies of one publication."""

LOG_INTERVAL: Final = 60.0
"""Minimum time in seconds between two log messages during an outage."""

logger = structlog.get_logger("acoustid.api.access.redis_outage")


class LinkFailures:
    """Counts the failures to reach Redis of all circuit breakers of a process.

    Args:
        discard_connections: closes the idle connections after a failure. They use the same dead
            link, so each would cost another timeout.

    Attributes:
        count: the number of failures.
    """

    def __init__(self, discard_connections: Callable[[], None] = lambda: None) -> None:
        self._discard_connections = discard_connections
        self.count = 0

    def add(self) -> None:
        """Count a failure, and close the idle connections."""
        self.count += 1
        self._discard_connections()


class RedisCircuitBreaker:
    """Runs Redis commands of a front end while its circuit admits them.

    After a command that could not reach Redis, commands are skipped or refused. Then one command at
    a time tries whether Redis is back. A reply with an error shows that Redis is reachable. Other
    errors, such as a time limit of a wait for another thread, show nothing.

    A process has one for each kind of use. So a late reply to an optional command, whose timeout is
    short, refuses no lookup.

    Args:
        name: the name of the use in log messages.
        link_failures: the failures of all circuit breakers of the process.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        name: str = "redis",
        link_failures: LinkFailures | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link_failures = link_failures or LinkFailures()
        self._clock = clock
        self._circuit = Circuit(name, trial_time=TRIAL_TIME, clock=clock)
        self._lock = threading.Lock()
        self._next_log_at = -float("inf")

    @property
    def failures(self) -> int:
        """The number of failures of this and the other circuit breakers of the process.

        A connection that was opened before the last one may be dead, and is replaced before its
        next use.
        """
        return self._link_failures.count

    @property
    def is_closed(self) -> bool:
        """Whether all commands are admitted."""
        return self._circuit.is_closed

    def call(self, command: Callable[[], T], default: T) -> T:
        """Return the result of an optional command; `default` if it fails or is skipped."""
        attempt = self._circuit.attempt()
        if not attempt:
            return default
        try:
            return self._run(command, attempt)
        except RedisError as error:
            self._log(error)
            return default

    def run(self, command: Callable[[], T]) -> T:
        """Return the result of a command.

        Raises:
            redis.exceptions.RedisError: it fails, or Redis is known to be unreachable.
        """
        attempt = self._circuit.attempt()
        if not attempt:
            raise RedisConnectionError("Redis was unreachable a moment ago")
        return self._run(command, attempt)

    def attempt(self) -> int:
        """Return the number of the caller's attempt to use Redis, above 0; 0 if it is refused.

        The caller then calls `succeeded`, `failed` or `withdraw`.
        """
        return self._circuit.attempt()

    def succeeded(self) -> None:
        """Note that Redis has replied."""
        self._circuit.succeeded()

    def failed(self, error: Exception, attempt: int | None = None) -> None:
        """Note an error of Redis, or of Celery or kombu with an error of Redis as its cause.

        Args:
            error: the error.
            attempt: the number of the attempt, see `Circuit.failed`.
        """
        cause = error.__cause__ or error
        if isinstance(cause, (*REDIS_UNREACHABLE, OSError)):
            self._circuit.failed(attempt)
            self._link_failures.add()
        elif isinstance(cause, ResponseError):
            self._circuit.succeeded()
        else:
            self._circuit.withdraw(attempt)

    def withdraw(self, attempt: int) -> None:
        """Note that an attempt ended before Redis was used: the next one may begin."""
        self._circuit.withdraw(attempt)

    def _run(self, command: Callable[[], T], attempt: int) -> T:
        try:
            result = command()
        except RedisError as error:
            self.failed(error, attempt)
            raise
        except BaseException:
            self.withdraw(attempt)
            raise
        self._circuit.succeeded()
        return result

    def _log(self, error: RedisError) -> None:
        now = self._clock()
        with self._lock:
            silent = now < self._next_log_at
            if not silent:
                self._next_log_at = now + LOG_INTERVAL
        if not silent:
            logger.error(
                "Redis is unreachable: no rate limits apply, keys are read from the database",
                error=str(error),
            )
