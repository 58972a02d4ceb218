"""The clock of Redis, which all processes share, as each process estimates it.

Times that another host judges are times of this clock: deadlines of lookups, times of messages. A
process adds an offset to its monotonic clock. So neither a wrong clock of its host nor a step of
that clock changes these times. A thread measures the offset every `SAMPLE_EVERY` seconds; reading
the clock needs no command of Redis.

A sample is the reply to the command ``TIME``. Its error is at most half of the round trip, as with
the Network Time Protocol (RFC 5905, section 8). The sample with the smallest error is kept, until
its error has grown by `DRIFT`. A sample that contradicts it replaces it: the clock of Redis has
been set, or another server has taken over.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import redis
import structlog
from redis.exceptions import RedisError

from pipeline.runtime.links.connection_limits import REDIS_REQUEST
from pipeline.runtime.periodic_thread import PeriodicThread
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings

SAMPLE_EVERY: Final = 1.0
"""Seconds between two samples.

It is less than `api.lookups.batcher.LOST_AFTER`: if the clock of Redis is set while a batch is
sent, the second message of the batch has the right deadline.
"""

FIRST_WAIT: Final = 1.0
"""Seconds from the start of a clock, for which its readings wait for the first sample."""

LONGEST_SAMPLE: Final = 2.0
"""Maximum seconds of a sample: a new connection and a reply, by `REDIS_REQUEST`."""

DRIFT: Final = 1e-4
"""Maximum difference in rate of two monotonic clocks, in seconds per second."""

MAX_DIFFERENCE: Final = 5.0
"""Maximum difference in seconds between the clock of a host and the clock of Redis.

The difference of `visibility_timeout` and `task_time_limit` in ``celeryconfig.py``: kombu of an
earlier version compares the time at which a worker took a message with the clock of another worker.
"""

logger = structlog.get_logger("acoustid.tasks.clocks.shared_clock")


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured offset.

    Attributes:
        offset: the clock of Redis minus the monotonic clock of this host, in seconds.
        error: the maximum error of the offset, in seconds.
        taken: time of the sample on the monotonic clock.
    """

    offset: float
    error: float
    taken: float


class SharedClock:
    """The clock of Redis in this process. Thread-safe.

    Args:
        read: returns the clock of Redis in seconds since the epoch.
        monotonic: the monotonic clock of this host in seconds.
        wall: the clock of this host in seconds since the epoch.
    """

    def __init__(
        self,
        read: Callable[[], float],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._first_sample = threading.Event()
        self._thread: PeriodicThread | None = None
        self._waits_until = 0.0  # on the monotonic clock of Python, whatever `monotonic` is
        self._kept: Sample | None = None
        self._observe: Callable[[float], None] | None = None
        self._is_wrong = False  # whether the host's clock was last logged as wrong

    def start(self) -> None:
        """Start the samples, so that the first reading need not wait; later calls do nothing."""
        with self._lock:
            if self._thread is None:
                self._waits_until = time.monotonic() + FIRST_WAIT
                self._thread = PeriodicThread(
                    "shared-clock", self._try_sample, SAMPLE_EVERY, is_first_at_once=True
                )

    def now(self) -> float:
        """Return the time of Redis in seconds since the epoch.

        Without any sample it is the time of this host. The calls in the first `FIRST_WAIT` seconds
        wait for a sample.
        """
        kept = self._kept or self._first()
        return self._wall() if kept is None else self._monotonic() + kept.offset

    def difference(self) -> float | None:
        """Return by how many seconds the clock of this host is ahead; None without any sample."""
        kept = self._kept or self._first()
        return None if kept is None else self._wall() - self._monotonic() - kept.offset

    def observe(self, function: Callable[[float], None]) -> None:
        """Call a function with the difference after each sample, instead of an earlier function."""
        self._observe = function

    def sample(self) -> None:
        """Read the clock of Redis once, and log if the clock of this host has become wrong.

        Raises:
            redis.exceptions.RedisError: Redis is unreachable.
        """
        sent = self._monotonic()
        read = self._read()
        received = self._monotonic()
        new = Sample(read - (sent + received) / 2, (received - sent) / 2, received)
        kept = self._take(new)
        self._first_sample.set()
        difference = self._wall() - self._monotonic() - kept.offset
        if self._observe is not None:
            self._observe(difference)
        self._log(difference)

    def close(self) -> None:
        """End the thread after its current sample."""
        if self._thread is not None:
            self._thread.close(LONGEST_SAMPLE)

    def _take(self, new: Sample) -> Sample:
        """Keep a sample, or the sample before; return the kept one."""
        kept = self._kept
        if kept is not None:
            error = kept.error + DRIFT * (new.taken - kept.taken)
            agrees = abs(new.offset - kept.offset) <= new.error + error
            if agrees and new.error > error:
                return kept
        self._kept = new
        return new

    def _first(self) -> Sample | None:
        """Start the samples if need be, and wait for the first one, but not for too long."""
        self.start()
        self._first_sample.wait(max(0.0, self._waits_until - time.monotonic()))
        return self._kept

    def _try_sample(self) -> None:
        with suppress(RedisError, OSError):  # the last offset stays valid
            self.sample()

    def _log(self, difference: float) -> None:
        is_wrong = abs(difference) > MAX_DIFFERENCE
        if is_wrong and not self._is_wrong:
            logger.warning(
                "the clock of this host differs from that of Redis: synchronize the hosts with NTP",
                seconds_ahead=round(difference, 1),
            )
        elif self._is_wrong and not is_wrong:
            logger.info("the clock of this host agrees with that of Redis again")
        self._is_wrong = is_wrong


def redis_time(connection: redis.Redis) -> float:
    """Return the time of Redis in seconds since the epoch.

    Raises:
        redis.exceptions.RedisError: Redis is unreachable.
    """
    return in_seconds(connection.time())


def in_seconds(reply: tuple[int, int]) -> float:
    """Return the reply to ``TIME``, whole seconds and microseconds, in seconds."""
    seconds, microseconds = reply
    return seconds + microseconds / 1e6


def clock_of(settings: RedisSettings) -> SharedClock:
    """Return this process's clock of a Redis server. It reads the server at its first use.

    Args:
        settings: the address of the server.
    """
    clocks = _clocks.get()
    address = settings.host, settings.port
    with _making.get():
        if address not in clocks:
            client = connect(settings, limits=REDIS_REQUEST)
            clocks[address] = SharedClock(lambda: redis_time(client))
        return clocks[address]


_clocks: Final[PerProcess[dict[tuple[str, int], SharedClock]]] = PerProcess(dict)
_making: Final = PerProcess(threading.Lock)
