"""The probe of queues: whether workers take messages from them."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis

from tasks import queues

STUCK_AFTER: Final = 60.0
"""Seconds for which the next message of a queue stays before the queue is stuck. A task ends, or is
ended, within 25 s."""


@dataclass(frozen=True, slots=True)
class StuckQueue:
    """A queue from which no message was taken for a while.

    Attributes:
        name: its name.
        messages: the number of messages that wait.
        seconds: for how long its next message is known to be the next one.
    """

    name: str
    messages: int
    seconds: float


class QueueProgress:
    """Compares the next message of each queue with that of the calls before. Thread-safe.

    It needs no clock of another host, and a long queue that gets shorter is no fault.

    Args:
        client: a Redis client.
        clock: monotonic time in seconds.
    """

    def __init__(self, client: redis.Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._next: dict[str, tuple[bytes, float]] = {}  # digest, time of the first call with it

    def stuck(self) -> list[StuckQueue]:
        """Return the queues whose next message has not changed for `STUCK_AFTER` seconds.

        Raises:
            redis.exceptions.RedisError: Redis does not reply.
        """
        with self._client.pipeline(transaction=False) as pipe:
            for name in queues.NAMES:
                pipe.llen(name)
                pipe.lindex(name, -1)
            found = pipe.execute()
        now = self._clock()
        stuck = []
        with self._lock:
            for name, messages, message in zip(queues.NAMES, found[::2], found[1::2], strict=True):
                seconds = self._seconds(name, message, now)
                if seconds >= STUCK_AFTER:
                    stuck.append(StuckQueue(name, messages, seconds))
        return stuck

    def _seconds(self, name: str, message: bytes | None, now: float) -> float:
        if message is None:
            self._next.pop(name, None)
            return 0.0
        key = hashlib.blake2b(message, digest_size=16).digest()
        if self._next.get(name, (b"", 0.0))[0] != key:
            self._next[name] = key, now
        return now - self._next[name][1]
