"""Keeps the index open for writing between the tasks of a worker process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from pipeline.following.open_index import IndexBusy, IndexUpdater

IDLE_TIMEOUT: Final = 2.0
"""Seconds without a task after which the index is closed."""

MAX_OPEN_TIME: Final = 10.0
"""Seconds after which the index is closed even if tasks use it without a pause."""

REOPEN_DELAY: Final = 0.25
"""Seconds for which the index then stays closed, so that another process can open it."""

logger = structlog.get_logger("acoustid.tasks.following.index_lease")


class IndexLease:
    """The index writer of this process; one task at a time uses it.

    If each task opened and closed the index, each would check its files and stop the merges that
    run after a commit. If the index stayed open, `acoustid index rebuild` could never open it. So
    it is closed after `IDLE_TIMEOUT` seconds without a task, and after `MAX_OPEN_TIME` seconds in
    any case. Both wait until running merges have ended.
    """

    def __init__(
        self,
        open_updater: Callable[[], IndexUpdater],
        *,
        idle_timeout: float = IDLE_TIMEOUT,
        max_open_time: float = MAX_OPEN_TIME,
        reopen_delay: float = REOPEN_DELAY,
    ) -> None:
        """Store the function that opens the index; it is not called yet.

        Args:
            open_updater: opens the index for writing, or raises `IndexBusy`.
            idle_timeout: see `IDLE_TIMEOUT`.
            max_open_time: see `MAX_OPEN_TIME`.
            reopen_delay: see `REOPEN_DELAY`.
        """
        self._open = open_updater
        self._idle_timeout = idle_timeout
        self._max_open_time = max_open_time
        self._reopen_delay = reopen_delay
        # A thread has this lock while it uses, opens or closes the index.
        self._in_use = threading.Lock()
        self._updater: IndexUpdater | None = None
        self._opened = 0.0
        self._closed_until = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def borrow(self, seen: int) -> Iterator[IndexUpdater]:
        """Return the index for the duration of a block. Other threads wait for its end.

        If the block raises an exception, the index is closed: the writer's state may be wrong.

        Args:
            seen: the position of the index in the view of a reader. If the open writer has another
                position, the index was replaced or deleted, and is opened again.

        Raises:
            IndexBusy: another process writes the index, or this one has just closed it after
                `MAX_OPEN_TIME` seconds.
        """
        with self._in_use:
            self._stop_timer()
            try:
                updater = self._take(seen)
                yield updater
            except BaseException:
                self._close()
                raise
            if time.monotonic() - self._opened >= self._max_open_time and not updater.merging():
                self._close()
                self._closed_until = time.monotonic() + self._reopen_delay
            else:
                self._start_timer()

    def close(self) -> None:
        """Close the index as soon as no task uses it. A later task opens it again."""
        with self._in_use:
            self._stop_timer()
            self._close()

    def _take(self, seen: int) -> IndexUpdater:
        if self._updater is not None and self._updater.position() != seen:
            self._close()
        if self._updater is None:
            if time.monotonic() < self._closed_until:
                raise IndexBusy("the index was open for too long; another process may open it now")
            self._updater = self._open()
            self._opened = time.monotonic()
        return self._updater

    def _close(self) -> None:
        updater, self._updater = self._updater, None
        if updater is not None:
            updater.close()

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._idle_timeout, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _expire(self) -> None:
        """Close the index if it is idle; try again later if merges run."""
        with self._in_use:
            # A task that has used the index since then has started a new timer.
            if self._timer is not threading.current_thread() or self._updater is None:
                return
            try:
                if self._updater.merging():
                    self._start_timer()
                else:
                    self._close()
            except Exception:
                logger.exception("the index was not closed properly")
