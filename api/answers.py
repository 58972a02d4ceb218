"""Answers of lookups, kept for whoever asks the same again, and found once for all who ask now.

An answer belongs to everything that it depends on: the fingerprints or track ids of the request,
their durations, the words of ``meta``, and the generation of the catalogue when it was asked for.
What changes the catalogue without telling, such as the replication of a MusicBrainz mirror, shows
once an answer is too old.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from hashlib import blake2b
from typing import Final

import msgpack

from api.answer_store import AnswerStore
from api.errors import ServiceUnavailableError
from api.flight import Answer
from pipeline.stages.messages import Lookup

LIFETIME: Final = 10.0
"""Seconds for which an answer is kept, whatever happens."""

CAPACITY: Final = 32 * 2**20
"""Bytes of answers that a process keeps."""

LookUp = Callable[[Sequence[Lookup], str, float, str], list[Answer]]


class Answers:
    """Answers from memory what was asked before, and has the rest looked up.

    Args:
        look_up: finds answers; as `LookupBatcher.run`.
        generation: tells the generation, None where it can't be known: then all is looked up.
        capacity: bytes of answers to keep.
        clock: seconds on a clock that never goes back.
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
        self._capacity = capacity
        self._clock = clock
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._kept = AnswerStore(self._capacity, LIFETIME, self._clock)
        self._asked: dict[bytes, Future[bytes]] = {}

    def run(
        self, lookups: Sequence[Lookup], meta: str, timeout: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order; see `LookupBatcher.run`."""
        deadline = time.monotonic() + timeout
        generation = self._generation()
        if generation is None:
            return self._look_up(lookups, meta, timeout, client)
        key = _key(lookups, meta, generation)
        with self._lock:
            packed = self._kept.get(key)
            others = None if packed else self._asked.get(key)
            if packed is None and others is None:
                self._asked[key] = Future()
        if others is not None:
            packed = _await(others, timeout)
        elif packed is None:
            return self._find(key, lookups, meta, timeout, client)
        if packed is None:  # those who asked first gave up; they may have had less time
            remaining = max(0.0, deadline - time.monotonic())
            return self._look_up(lookups, meta, remaining, client)
        answers: list[Answer] = msgpack.unpackb(packed)
        return answers

    def _find(
        self, key: bytes, lookups: Sequence[Lookup], meta: str, timeout: float, client: str
    ) -> list[Answer]:
        """Look up what `_asked` has a place for, and tell all who wait there."""
        try:
            answers = self._look_up(lookups, meta, timeout, client)
            packed = msgpack.packb(answers)
        except BaseException:
            with self._lock:
                self._asked.pop(key).set_exception(ServiceUnavailableError())
            raise
        with self._lock:
            self._kept.put(key, packed)
            waited = self._asked.pop(key)
        waited.set_result(packed)
        return answers


def _await(others: Future[bytes], timeout: float) -> bytes | None:
    """Return what others find, None where they fail or take too long."""
    try:
        return others.result(timeout)
    except (ServiceUnavailableError, TimeoutError):
        return None


def _key(lookups: Sequence[Lookup], meta: str, generation: bytes) -> bytes:
    """Return a digest of all that the answers depend on."""
    asked = [
        (each.fingerprint, each.track_gid, each.duration, each.max_duration_diff)
        for each in lookups
    ]
    return blake2b(msgpack.packb((asked, meta, generation)), digest_size=16).digest()
