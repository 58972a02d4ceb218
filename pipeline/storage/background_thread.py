"""Threads that run steps while there is work, and further steps after a time without new work."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

logger = structlog.get_logger("acoustid.storage.background_thread")


class BackgroundWork:
    """Calls `step` in threads until it returns False, and again after each `wake`."""

    def __init__(
        self,
        step: Callable[[], bool],
        idle_step: Callable[[], bool],
        *,
        threads: int = 1,
        delay: float = 1.0,
    ) -> None:
        """Store the functions; the first `wake` starts the first thread.

        Args:
            step: does a part of the work and returns whether there was any. A long step ends early
                when `stopping` is true. An exception is logged; the next `wake` tries again.
            idle_step: likewise, for work that is done after `delay` seconds without a `wake`.
            threads: maximum number of steps that run at a time.
            delay: seconds without a `wake` before `idle_step`.
        """
        self._step = step
        self._idle_step = idle_step
        self._most_threads = threads
        self._delay = delay
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._waiting = 0
        self._woken = False
        self._skip_delay = False
        self._stopping = False

    def wake(self) -> None:
        """Report that there may be work."""
        with self._changed:
            if self._stopping:
                return
            self._woken = True
            self._changed.notify_all()
            if not self._waiting and len(self._threads) < self._most_threads:
                thread = threading.Thread(target=self._run, name="merges", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stopping(self) -> bool:
        """Return whether a running step should end early."""
        return self._stopping

    def busy(self) -> bool:
        """Return whether there is or may be work."""
        return bool(self._threads)

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until `done()` is true or no work is left; it is called after every step."""
        with self._changed:
            self._changed.wait_for(lambda: done() or not self.busy())

    def finish(self) -> None:
        """Wait until `step` and `idle_step` have no work left; do not call `wake` meanwhile."""
        with self._changed:
            self._skip_delay = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.busy())
            self._skip_delay = False

    def stop(self) -> None:
        """End the threads after the running steps; a later `wake` has no effect."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self) -> None:
        while self._begin_round():
            while self._run_step(self._step):
                self._notify()
            if self._wait_for_idle():
                while not self._woken and self._run_step(self._idle_step):
                    self._notify()

    def _begin_round(self) -> bool:
        """Return whether `wake` was called since a thread last began a round.

        If not, or if the work is stopping, remove this thread from the list: it ends.
        """
        with self._changed:
            turn = self._woken and not self._stopping
            self._woken = False
            if not turn:
                self._threads.remove(threading.current_thread())
                self._changed.notify_all()
            return turn

    def _wait_for_idle(self) -> bool:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(
                lambda: self._woken or self._stopping or self._skip_delay, self._delay
            )
            self._waiting -= 1
            return not (self._woken or self._stopping)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run_step(self, work: Callable[[], bool]) -> bool:
        if self._stopping:
            return False
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the thread would end without a log record
            logger.warning("merge failed; the next commit tries again", error=repr(error))
            return False
