"""Bytes by key, for a while and up to a size; what was used longest ago goes first."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

OVERHEAD: Final = 300
"""Bytes that an entry takes besides its own."""


class _Kept(NamedTuple):
    value: bytes
    expires: float


class AnswerStore:
    """Keeps values for some seconds, within some memory; not safe among threads.

    Args:
        capacity: bytes of all values, `OVERHEAD` for each included.
        lifetime: seconds for which a value is kept.
        clock: seconds on a clock that never goes back.
    """

    def __init__(self, capacity: int, lifetime: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._lifetime = lifetime
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self.size = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None where there is none any more."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.expires <= self._clock():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value, and drop others for it; one that fills a tenth of the room is not kept."""
        if len(value) > self._capacity // 10:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = _Kept(value, self._clock() + self._lifetime)
        self.size += len(value) + OVERHEAD
        while self.size > self._capacity:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self.size -= len(self._kept.pop(key).value) + OVERHEAD
