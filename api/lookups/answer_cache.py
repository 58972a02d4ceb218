"""The answer cache: keeps answers for ten seconds, and computes equal concurrent lookups once.

The answers depend on the fingerprints or track ids of the request, their durations, the kind of
search, the words of ``meta`` and the generation of the catalogue, so the cache key contains all of
these. Some changes
do not create a new generation, for example the replication of a MusicBrainz mirror. Answers show
such a change after at most `LIFETIME`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from typing import Final

import msgpack
from cachetools import TTLCache

from api.http.errors import ServiceUnavailableError
from api.lookups.pending import Answer
from pipeline.messages import Lookup

LIFETIME: Final = 10.0
"""Seconds for which answers are kept."""

CAPACITY: Final = 32 * 2**20
"""Maximum size in bytes of the cache; the least recently used answers are removed first."""

OVERHEAD: Final = 300
"""Bytes of an entry in addition to its answers: the key and the objects of the cache."""

LookUp = Callable[[Sequence[Lookup], str, float, str], list[Answer]]


class AnswerCache:
    """Returns cached answers, and computes all others with `look_up`.

    Args:
        look_up: computes answers; it has the signature of `LookupBatcher.look_up`.
        generation: returns the generation of the catalogue. If it is None, the cache is not used.
        capacity: maximum size of the cache in bytes.
        clock: a monotonic clock in seconds, for the age of answers.
    """

    def __init__(
        self,
        look_up: LookUp,
        generation: Callable[[], bytes | None],
        *,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._generation = generation
        self._max_answer = capacity // 10  # larger answers would displace too many others
        self._lock = threading.Lock()
        self._answers: TTLCache[bytes, bytes] = TTLCache(capacity, LIFETIME, clock, _size)
        self._in_progress: dict[bytes, Future[bytes]] = {}

    def look_up(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order.

        The arguments and errors are those of `LookupBatcher.look_up`.
        """
        generation = self._generation()
        if generation is None:
            return self._look_up(lookups, meta, deadline, client)
        key = _key(lookups, meta, generation)
        with self._lock:
            packed = self._answers.get(key)
            equal = None if packed is not None else self._in_progress.get(key)
            if packed is None and equal is None:
                self._in_progress[key] = Future()
        if equal is not None:
            packed = _wait(equal, deadline)
        elif packed is None:
            return self._look_up_and_share(key, lookups, meta, deadline, client)
        if packed is None:  # the equal request failed, perhaps with an earlier deadline
            return self._look_up(lookups, meta, deadline, client)
        answers: list[Answer] = msgpack.unpackb(packed)
        return answers

    def _look_up_and_share(
        self, key: bytes, lookups: Sequence[Lookup], meta: str, deadline: float, client: str
    ) -> list[Answer]:
        """Compute the answers, keep them, and pass them to the waiting equal requests."""
        try:
            answers = self._look_up(lookups, meta, deadline, client)
            packed = msgpack.packb(answers)
        except BaseException:
            with self._lock:
                future = self._in_progress.pop(key)
            future.set_exception(ServiceUnavailableError())
            raise
        with self._lock:
            if len(packed) <= self._max_answer:
                self._answers[key] = packed
            future = self._in_progress.pop(key)
        future.set_result(packed)
        return answers


def _wait(future: Future[bytes], deadline: float) -> bytes | None:
    """Return the packed answers to an equal request; None if it fails or the deadline passes."""
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except (ServiceUnavailableError, TimeoutError):
        return None


def _size(packed: bytes) -> int:
    return len(packed) + OVERHEAD


def _key(lookups: Sequence[Lookup], meta: str, generation: bytes) -> bytes:
    """Return a digest of everything that the answers depend on."""
    wanted = [
        (
            each.fingerprint,
            each.track_gid,
            each.duration,
            each.max_duration_diff,
            each.excerpt,
            each.second_chance,
        )
        for each in lookups
    ]
    return blake2b(msgpack.packb((wanted, meta, generation)), digest_size=16).digest()
