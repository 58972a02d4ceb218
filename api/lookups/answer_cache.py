"""The answer cache: keeps answers for seconds, and lets equal lookups at one time share one.

The key of an answer has all that the answer depends on: the fingerprints or track ids of the
request, their durations, the words of ``meta``, and the generation of the catalogue at the time of
the request. A change that makes no new generation, such as replication of a MusicBrainz mirror,
shows after `LIFETIME`.
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
"""Seconds for which an answer is kept."""

CAPACITY: Final = 32 * 2**20
"""Bytes of answers that a process keeps; the least recently used ones are removed first."""

OVERHEAD: Final = 300
"""Bytes that an entry takes beside its answers, for the objects of the cache and the key."""

LookUp = Callable[[Sequence[Lookup], str, float, str], list[Answer]]


class AnswerCache:
    """Answers repeated lookups from memory and passes all others on.

    Args:
        look_up: computes answers; has the signature of `LookupBatcher.look_up`.
        generation: returns the generation of the catalogue; if it is None, nothing is kept.
        capacity: bytes of answers to keep.
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
        self._max_answer = capacity // 10  # so that one answer never empties the cache
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
        """Look up, keep the answers, and give them to the equal requests that wait."""
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
    """Return the answers to an equal request; None if it fails or takes too long."""
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except (ServiceUnavailableError, TimeoutError):
        return None


def _size(packed: bytes) -> int:
    return len(packed) + OVERHEAD


def _key(lookups: Sequence[Lookup], meta: str, generation: bytes) -> bytes:
    """Return a digest of all that the answers depend on."""
    questions = [
        (each.fingerprint, each.track_gid, each.duration, each.max_duration_diff)
        for each in lookups
    ]
    return blake2b(msgpack.packb((questions, meta, generation)), digest_size=16).digest()
