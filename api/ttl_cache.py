"""A small cache that forgets: what a process remembers for a minute without asking anybody."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

V = TypeVar("V")


class TtlCache(Generic[V]):
    """Values by text, each with its own time to live; safe among threads.

    Args:
        size: most entries; the one that was put first goes first.
        clock: seconds on a clock that never goes back.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, key: str) -> tuple[V] | None:
        """Return the value in a tuple, which tells a remembered None from nothing remembered."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            expires, value = entry
            if expires <= self._clock():
                del self._entries[key]
                return None
            return (value,)

    def put(self, key: str, value: V, ttl: float) -> None:
        """Remember a value for `ttl` seconds."""
        with self._lock:
            self._entries.pop(key, None)
            self._entries[key] = (self._clock() + ttl, value)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget a value, if there is one."""
        with self._lock:
            self._entries.pop(key, None)

    def __len__(self) -> int:
        """Return how many entries are kept, those that have expired among them."""
        with self._lock:
            return len(self._entries)
