"""The answer cache: an answer is kept for seconds, and equal questions at one time share a lookup.

The key of an answer is all that it depends on: the fingerprints or track ids of the request, their
durations, the words of ``meta``, and the generation of the catalogue when it was asked for. A
change without a new generation, such as replication of a MusicBrainz mirror, shows after 10 s.
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
"""Bytes of answers that a process keeps; the least recently used ones go first."""

OVERHEAD: Final = 300
"""Bytes that an entry takes beside its answers: the objects of the cache, and the key."""

LookUp = Callable[[Sequence[Lookup], str, float, str], list[Answer]]


class AnswerCache:
    """Answers repeated lookups from memory, and passes all others to `look_up`.

    Args:
        look_up: finds answers; as `LookupBatcher.run`.
        generation: returns the generation, None where it is not known: then nothing is kept.
        capacity: bytes of answers to keep.
        clock: seconds on a clock that never goes back, for the age of answers.
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
        self._largest = capacity // 10  # one answer never empties the cache
        self._lock = threading.Lock()
        self._kept: TTLCache[bytes, bytes] = TTLCache(capacity, LIFETIME, clock, _size)
        self._running: dict[bytes, Future[bytes]] = {}

    def run(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order; see `LookupBatcher.run`."""
        generation = self._generation()
        if generation is None:
            return self._look_up(lookups, meta, deadline, client)
        key = _key(lookups, meta, generation)
        with self._lock:
            packed = self._kept.get(key)
            running = None if packed is not None else self._running.get(key)
            if packed is None and running is None:
                self._running[key] = Future()
        if running is not None:
            packed = _wait(running, deadline)
        elif packed is None:
            return self._run_and_share(key, lookups, meta, deadline, client)
        if packed is None:  # the request that asked failed, perhaps with an earlier deadline
            return self._look_up(lookups, meta, deadline, client)
        answers: list[Answer] = msgpack.unpackb(packed)
        return answers

    def _run_and_share(
        self, key: bytes, lookups: Sequence[Lookup], meta: str, deadline: float, client: str
    ) -> list[Answer]:
        """Look up, keep the answers, and give them to the requests that wait for the same ones."""
        try:
            answers = self._look_up(lookups, meta, deadline, client)
            packed = msgpack.packb(answers)
        except BaseException:
            with self._lock:
                running = self._running.pop(key)
            running.set_exception(ServiceUnavailableError())
            raise
        with self._lock:
            if len(packed) <= self._largest:
                self._kept[key] = packed
            running = self._running.pop(key)
        running.set_result(packed)
        return answers


def _wait(running: Future[bytes], deadline: float) -> bytes | None:
    """Return what another request finds, None where it fails or takes too long."""
    try:
        return running.result(max(0.0, deadline - time.monotonic()))
    except (ServiceUnavailableError, TimeoutError):
        return None


def _size(packed: bytes) -> int:
    return len(packed) + OVERHEAD


def _key(lookups: Sequence[Lookup], meta: str, generation: bytes) -> bytes:
    """Return a digest of all that the answers depend on."""
    asked = [
        (each.fingerprint, each.track_gid, each.duration, each.max_duration_diff)
        for each in lookups
    ]
    return blake2b(msgpack.packb((asked, meta, generation)), digest_size=16).digest()
