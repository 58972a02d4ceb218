"""Keeps the index open for writing between the tasks of a worker process."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from pipeline.following.open_index import IndexBusy, IndexUpdater

IDLE: Final = 2.0
"""Seconds without a task after which the index is closed."""

LONGEST: Final = 10.0
"""Seconds after which it is closed even if tasks follow one another without a break."""

PAUSE: Final = 0.25
"""Seconds for which it then stays closed, so that another process can open it."""

logger = structlog.get_logger("acoustid.tasks.index_lease")


class IndexLease:
    """The one index writer of this process, lent to one task at a time.

    If each task opened and closed the index, each would check its files and stop the merges that
    run after a commit. If the index stayed open, `acoustid index rebuild` could never open it. So
    it is closed after `IDLE` seconds without a task, and after `LONGEST` seconds in any case. Both
    wait for running merges to end.
    """

    def __init__(
        self,
        open_updater: Callable[[], IndexUpdater],
        *,
        idle: float = IDLE,
        longest: float = LONGEST,
        pause: float = PAUSE,
    ) -> None:
        """Store the function that opens the index; it is not called yet.

        Args:
            open_updater: opens the index for writing, or raises `IndexBusy`.
            idle: see `IDLE`.
            longest: see `LONGEST`.
            pause: see `PAUSE`.
        """
        self._open = open_updater
        self._idle, self._longest, self._pause = idle, longest, pause
        # Held while the index is lent, opened or closed.
        self._lent = threading.Lock()
        self._updater: IndexUpdater | None = None
        self._opened = 0.0
        self._closed_until = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def borrow(self, seen: int) -> Iterator[IndexUpdater]:
        """Lend the index for the duration of a block. Other threads wait until it is returned.

        If the block raises an exception, the index is closed: the writer's state may be wrong.

        Args:
            seen: the position of the index in the view of a reader. If the open writer has another
                position, the index was replaced or deleted, and is opened again.

        Raises:
            IndexBusy: another process writes the index, or this one has just closed it after
                `LONGEST` seconds.
        """
        with self._lent:
            self._stop_timer()
            try:
                updater = self._take(seen)
                yield updater
            except BaseException:
                self._close()
                raise
            if time.monotonic() - self._opened >= self._longest and not updater.merging():
                self._close()
                self._closed_until = time.monotonic() + self._pause
            else:
                self._start_timer()

    def close(self) -> None:
        """Close the index as soon as no task holds it. A later task opens it again."""
        with self._lent:
            self._stop_timer()
            self._close()

    def _take(self, seen: int) -> IndexUpdater:
        if self._updater is not None and self._updater.position() != seen:
            self._close()
        if self._updater is None:
            if time.monotonic() < self._closed_until:
                raise IndexBusy("the index was open for too long; it is another writer's turn")
            self._updater = self._open()
            self._opened = time.monotonic()
        return self._updater

    def _close(self) -> None:
        updater, self._updater = self._updater, None
        if updater is not None:
            updater.close()

    def _start_timer(self) -> None:
        self._timer = threading.Timer(self._idle, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _expire(self) -> None:
        """Close the index if it is idle; try again later if merges run."""
        with self._lent:
            # A task that has borrowed the index meanwhile has started a new timer.
            if self._timer is not threading.current_thread() or self._updater is None:
                return
            try:
                if self._updater.merging():
                    self._start_timer()
                else:
                    self._close()
            except Exception:
                logger.exception("the index was not closed properly")
