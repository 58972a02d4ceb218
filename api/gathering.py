"""Group work: what many threads hand in, one thread works off in groups."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from api.errors import ServiceUnavailableError

CLOSING: Final = 5.0
"""Seconds that what was handed in has, at most, when its process ends."""

T = TypeVar("T")

logger = structlog.get_logger("acoustid.api.gathering")


class Gatherer(Generic[T]):
    """Collects items while the last group is worked on; they are the next group.

    The thread is started with the first item. A child process that inherits a gatherer begins
    afresh: what was handed in before the fork is the parent's.

    Args:
        name: of the thread.
        work: what is done with a group, in the order in which the items came. What it raises is
            logged, and the items are done with.
        most: the size of a group, unless a single item is larger.
        size: of an item.
        is_early: asked again and again, says whether a group that isn't full had better wait;
            always no by default.
        pause: seconds between two such questions.
        patience: seconds after which no group waits any longer.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[T]], None],
        *,
        most: int,
        size: Callable[[T], int] = lambda _: 1,
        is_early: Callable[[], bool] = lambda: False,
        pause: float = 0.0,
        patience: float = 0.0,
    ) -> None:
        self._name = name
        self._work = work
        self._most = most
        self._size = size
        self._is_early = is_early
        self._pause = pause
        self._questions = round(patience / pause) if pause else 0
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def add(self, *items: T) -> None:
        """Hand items in.

        Raises:
            ServiceUnavailableError: the process is about to end.
        """
        with self._lock:
            if self._closing:
                raise ServiceUnavailableError
            self._items.extend(items)
            self._waiting += sum(map(self._size, items))
            if self._waiting >= self._most:
                self._urgent.set()
            self._ensure_thread()
            self._some.notify()

    def close(self) -> None:
        """Work off what was handed in, and take no more."""
        with self._lock:
            self._closing = True
            self._urgent.set()
            self._some.notify()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSING)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._some = threading.Condition(self._lock)
        self._urgent = threading.Event()  # a group is full, or the process ends
        self._items: deque[T] = deque()
        self._waiting = 0  # their size
        self._closing = False
        self._thread: threading.Thread | None = None

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._wait_for_some():
            self._hold_back()
            group = self._take()
            try:
                self._work(group)
            except Exception:
                logger.exception("a group could not be worked on", thread=self._name)

    def _wait_for_some(self) -> bool:
        """Wait until there is an item; return whether there is, and not the end."""
        with self._lock:
            while not self._items and not self._closing:
                self._some.wait()
            return bool(self._items)

    def _hold_back(self) -> None:
        for _ in range(self._questions):
            if self._urgent.is_set() or not self._is_early():
                return
            self._urgent.wait(self._pause)

    def _take(self) -> list[T]:
        with self._lock:
            group = [self._items.popleft()]
            room = self._most - self._size(group[0])
            while self._items and self._size(self._items[0]) <= room:
                group.append(self._items.popleft())
                room -= self._size(group[-1])
            self._waiting -= sum(map(self._size, group))
            if self._waiting < self._most and not self._closing:
                self._urgent.clear()
            return group
