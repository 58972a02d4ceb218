"""Threads that work in steps while there is work, and do further work after a pause."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger("acoustid.storage.background_thread")


class BackgroundWork:
    """Calls `step` until it returns False, and again after each `wake`."""

    def __init__(
        self,
        step: Callable[[], bool],
        settle: Callable[[], bool],
        *,
        threads: int = 1,
        pause: float = 1.0,
    ) -> None:
        """Start nothing yet; the first thread begins with the first `wake`.

        Args:
            step: does a piece of work and returns whether there was any. A long one ends early
                when `stopping` is true. An exception is logged; the next `wake` tries again.
            settle: the same for work that can wait until there was no `wake` for a while.
            threads: the most steps that run at a time.
            pause: seconds without a `wake` before `settle`.
        """
        self._step = step
        self._settle = settle
        self._most_threads = threads
        self._pause = pause
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._waiting = 0
        self._woken = False
        self._hurried = False
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
        """Wait until no work is left, `settle` included; don't call `wake` meanwhile."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self.busy())
            self._hurried = False

    def stop(self) -> None:
        """End the threads after the running steps; a later `wake` has no effect."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self) -> None:
        while self._takes_turn():
            while self._does(self._step):
                self._tell()
            if self._is_left_alone():
                while not self._woken and self._does(self._settle):
                    self._tell()

    def _takes_turn(self) -> bool:
        """Return whether there was a `wake` since any thread's last turn; if not, this one ends."""
        with self._changed:
            turn = self._woken and not self._stopping
            self._woken = False
            if not turn:
                self._threads.remove(threading.current_thread())
                self._changed.notify_all()
            return turn

    def _is_left_alone(self) -> bool:
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(
                lambda: self._woken or self._stopping or self._hurried, self._pause
            )
            self._waiting -= 1
            return not (self._woken or self._stopping)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _does(self, work: Callable[[], bool]) -> bool:
        if self._stopping:
            return False
        try:
            return work()
        except Exception as error:  # noqa: BLE001 - the thread would end unnoticed
            log.warning("merge failed; the next commit tries again", error=repr(error))
            return False
