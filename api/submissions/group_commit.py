"""Group commit: one thread commits the items of many threads, in groups."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog

from api.http.errors import ServiceUnavailableError

CLOSE_TIMEOUT: Final = 5.0
"""Maximum time in seconds that `GroupCommit.close` waits for the last commits."""

T = TypeVar("T")

logger = structlog.get_logger("acoustid.api.submissions.group_commit")


class GroupCommit(Generic[T]):
    """Commits items in groups. The items that arrive during a commit are the next group.

    The thread starts at the first item.

    Args:
        name: the name of the thread.
        commit: commits a group, whose items are in the order of their arrival. An exception is
            logged, and the group is not committed again.
        max_size: maximum size of a group. A larger item is a group of its own.
        size: returns the size of an item.
        is_early: returns whether a group that is not full should wait for more items. By default,
            no group waits.
        poll: seconds between two calls of `is_early`.
        max_wait: maximum time in seconds for which a group waits.
    """

    def __init__(
        self,
        name: str,
        commit: Callable[[list[T]], None],
        *,
        max_size: int,
        size: Callable[[T], int] = lambda _: 1,
        is_early: Callable[[], bool] = lambda: False,
        poll: float = 0.0,
        max_wait: float = 0.0,
    ) -> None:
        self._name = name
        self._commit = commit
        self._max_size = max_size
        self._item_size = size
        self._is_early = is_early
        self._poll = poll
        self._polls = round(max_wait / poll) if poll else 0
        self._lock = threading.Lock()
        self._has_items = threading.Condition(self._lock)
        self._is_urgent = threading.Event()  # a group is full, or `close` was called
        self._items: deque[T] = deque()
        self._size = 0  # of all items
        self._closing = False
        self._thread: threading.Thread | None = None

    def add(self, *items: T) -> None:
        """Add items to be committed.

        Raises:
            ServiceUnavailableError: `close` was called.
        """
        with self._lock:
            if self._closing:
                raise ServiceUnavailableError
            self._items.extend(items)
            self._size += sum(map(self._item_size, items))
            if self._size >= self._max_size:
                self._is_urgent.set()
            self._ensure_thread()
            self._has_items.notify()

    def close(self) -> None:
        """Refuse further items, and wait up to `CLOSE_TIMEOUT` seconds for the last commits."""
        with self._lock:
            self._closing = True
            self._is_urgent.set()
            self._has_items.notify()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_TIMEOUT)

    def _ensure_thread(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while self._wait_for_items():
            self._wait_for_more()
            group = self._take()
            try:
                self._commit(group)
            except Exception:
                logger.exception("a group could not be committed", thread=self._name)

    def _wait_for_items(self) -> bool:
        """Wait until there is an item; return False if there is none when `close` is called."""
        with self._lock:
            while not self._items and not self._closing:
                self._has_items.wait()
            return bool(self._items)

    def _wait_for_more(self) -> None:
        for _ in range(self._polls):
            if self._is_urgent.is_set() or not self._is_early():
                return
            self._is_urgent.wait(self._poll)

    def _take(self) -> list[T]:
        with self._lock:
            group = [self._items.popleft()]
            free = self._max_size - self._item_size(group[0])
            while self._items and self._item_size(self._items[0]) <= free:
                group.append(self._items.popleft())
                free -= self._item_size(group[-1])
            self._size -= sum(map(self._item_size, group))
            if self._size < self._max_size and not self._closing:
                self._is_urgent.clear()
            return group
