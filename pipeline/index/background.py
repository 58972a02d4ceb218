"""A thread that repeats a step of work for as long as there is some."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger("acoustid.index.background")


class BackgroundWork:
    """Calls `step` until it says that nothing is left, and again whenever it is woken."""

    def __init__(self, step: Callable[[], bool]) -> None:
        """Start nothing yet; the thread begins with the first `wake`.

        Args:
            step: does a piece of work and returns whether there was any. It should look at
                `stopping` now and then. What it raises is logged, and tried again when woken.
        """
        self._step = step
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._woken = False
        self._stopping = False

    def wake(self) -> None:
        """Say that there may be work."""
        with self._changed:
            if self._stopping:
                return
            self._woken = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="index-merges", daemon=True)
                self._thread.start()

    def stopping(self) -> bool:
        """Tell whether a step under way should give up."""
        return self._stopping

    def busy(self) -> bool:
        """Tell whether there is or may be work."""
        return self._thread is not None

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until `done()`, asked after every step, or until no work is left."""
        with self._changed:
            self._changed.wait_for(lambda: done() or not self.busy())

    def stop(self) -> None:
        """End the thread, after the step under way; waking it is in vain from here on."""
        with self._changed:
            self._stopping = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while self._takes_turn():
            while not self._stopping and self._try_step():
                with self._changed:
                    self._changed.notify_all()

    def _takes_turn(self) -> bool:
        """Tell whether the thread was woken since the last turn; if not, it ends."""
        with self._changed:
            turn = self._woken and not self._stopping
            self._woken = False
            if not turn:
                self._thread = None
                self._changed.notify_all()
            return turn

    def _try_step(self) -> bool:
        try:
            return self._step()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: nobody else would see it
            log.warning("merge failed; the next commit tries again", error=repr(error))
            return False
