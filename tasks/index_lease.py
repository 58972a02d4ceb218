"""Keeps the index open for writing between the tasks of a worker, for a while."""

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
"""Seconds after which it is closed even between tasks that follow one another closely."""

PAUSE: Final = 0.25
"""Seconds for which it then stays closed, so that whoever waits for it gets it."""

logger = structlog.get_logger("acoustid.tasks.index_lease")


class IndexLease:
    """The one writer of this process, lent to one task at a time.

    Opening the index for every task would cost a check of its files, and closing it would stop the
    merges that go on behind a commit. Keeping it would shut out `acoustid index rebuild`. So it
    stays open until there was nothing to do for `IDLE` seconds, and at most `LONGEST`; in both
    cases merges that are under way are waited for.
    """

    def __init__(
        self,
        open_updater: Callable[[], IndexUpdater],
        *,
        idle: float = IDLE,
        longest: float = LONGEST,
        pause: float = PAUSE,
    ) -> None:
        """Keep how to open the index; nothing is opened yet.

        Args:
            open_updater: opens the index for writing, or raises `IndexBusy`.
            idle: see `IDLE`.
            longest: see `LONGEST`.
            pause: see `PAUSE`.
        """
        self._open = open_updater
        self._idle, self._longest, self._pause = idle, longest, pause
        # Held while the index is lent, and while it is opened or closed.
        self._lent = threading.Lock()
        self._updater: IndexUpdater | None = None
        self._opened = 0.0
        self._closed_until = 0.0
        self._timer: threading.Timer | None = None

    @contextmanager
    def borrow(self, seen: int) -> Iterator[IndexUpdater]:
        """Lend the index for the length of a block; another thread waits for its turn.

        A block that fails gives it back closed: the writer may not know what it left behind.

        Args:
            seen: the position of the index as a reader sees it. An index that was kept at another
                one has been replaced or deleted since, and is opened anew.

        Raises:
            IndexBusy: another process writes the index, or may want to.
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
        """Close the index once it is given back; a later task would open it again."""
        with self._lent:
            self._stop_timer()
            self._close()

    def _take(self, seen: int) -> IndexUpdater:
        if self._updater is not None and self._updater.position() != seen:
            self._close()
        if self._updater is None:
            if time.monotonic() < self._closed_until:
                raise IndexBusy("the index was open for long; it is another writer's turn")
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
        """Close the index if it is idle, and look again later if it merges."""
        # A task that has just borrowed it starts a timer of its own.
        if not self._lent.acquire(blocking=False):
            return
        try:
            if self._timer is not threading.current_thread() or self._updater is None:
                return
            if self._updater.merging():
                self._start_timer()
            else:
                self._close()
        except Exception:
            logger.exception("the index was not closed properly")
        finally:
            self._lent.release()
