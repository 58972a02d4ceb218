"""Refuses the use of a dependency for a short time after it was unreachable.

Without it, each request waits for the same timeout, and the waiting requests take all threads.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

FIRST_PAUSE: Final = 1.0
"""Seconds for which a dependency is refused after it was unreachable for the first time."""

LONGEST_PAUSE: Final = 4.0
"""Maximum of this time, which doubles after each failed trial."""

TRIAL_WAIT: Final = 0.1
"""Maximum seconds for which a call waits for the end of another call's trial."""

logger = structlog.get_logger("acoustid.runtime.circuit")


class Circuit:
    """Stores whether a dependency is reachable. Thread-safe.

    ===========  =============================  ===============================================
    state        `attempt` returns              ends by
    ===========  =============================  ===============================================
    closed       a number                       `failed`: open; `timed_out`: half open
    open         0                              the end of the pause: half open
    half open    a number once, for a trial;    `succeeded`: closed; `failed`: open, with twice
                 then 0                         the pause; `withdraw`, or no report within the
                                                trial time: the next caller is the trial
    ===========  =============================  ===============================================

    The number of an attempt tells its failure from those of calls that began before the trial or
    before the recovery. Those change nothing.

    Args:
        name: the name of the dependency in log messages.
        trial_time: seconds after which a trial without a report is over.
        first_pause: seconds of the first pause.
        longest_pause: maximum seconds of a pause.
        clock: a monotonic clock, in seconds.

    Attributes:
        is_closed: whether all calls are admitted.
        number: the number of an attempt that begins now. It changes when a trial begins and when
            the circuit closes.
    """

    def __init__(
        self,
        name: str,
        *,
        trial_time: float,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._trial_time = trial_time
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._clock = clock
        self._lock = threading.Condition()
        self._pause = first_pause
        self._retry_at = 0.0
        self._is_trial_running = False
        self.number = 1
        self._is_logged = False  # whether the log has the current outage
        self.is_closed = True

    def admits(self) -> bool:
        """Return whether the caller may use the dependency, and begin the trial if it is due."""
        return self.is_closed or self.attempt() > 0

    def attempt(self) -> int:
        """Return the number of the caller's attempt, above 0; 0 if the dependency is refused.

        The caller reports `succeeded`, `failed` or `withdraw`.
        """
        if self.is_closed:
            return self.number
        with self._lock:
            if self._is_trial_running and self._clock() < self._retry_at:
                # A dependency that works ends the trial in milliseconds.
                self._lock.wait_for(lambda: not self._is_trial_running, TRIAL_WAIT)
            if self.is_closed:
                return self.number
            now = self._clock()
            if now < self._retry_at:
                return 0
            self.number += 1
            self._is_trial_running = True
            self._retry_at = now + self._trial_time
            return self.number

    def retry_after(self) -> float:
        """Return the seconds until the next trial; 0 if the dependency may be used."""
        with self._lock:
            return 0.0 if self.is_closed else max(0.0, self._retry_at - self._clock())

    def succeeded(self) -> None:
        """Note that the dependency has answered."""
        if self.is_closed:
            return
        with self._lock:
            if self.is_closed:
                return
            was_logged, self._is_logged = self._is_logged, False
            self.number += 1
            self.is_closed = True
            self._pause = self._first_pause
            self._end_trial()
        if was_logged:
            logger.info("a dependency is reachable again", dependency=self.name)

    def withdraw(self, attempt: int | None = None) -> None:
        """Note that an attempt ended before it used the dependency: the next call is the trial.

        Args:
            attempt: the number of the attempt; nothing changes if it is not the running trial. None
                for the running trial.
        """
        with self._lock:
            if self._is_trial_running and attempt in {None, self.number}:
                self._retry_at = self._clock()
                self._end_trial()

    def timed_out(self) -> None:
        """Note that a use did not end in time, of a dependency that may only be slow.

        A closed circuit becomes half open: the next call is a trial. If the dependency works, it
        takes milliseconds. While the circuit is not closed, this changes nothing.
        """
        with self._lock:
            if self.is_closed:
                self.is_closed = False
                self._pause = self._first_pause / 2  # a failed trial doubles it
                self._retry_at = self._clock()

    def failed(self, attempt: int | None = None) -> None:
        """Note that the dependency was unreachable or did not answer in time.

        While the circuit is open, only the trial's failure begins another pause: the other failures
        are of calls that began before.

        Args:
            attempt: the number of the attempt; nothing changes if a trial or a recovery has begun
                since. None for the running trial, or any use while the circuit is closed.
        """
        with self._lock:
            if attempt not in {None, self.number}:
                return
            if not self.is_closed and not self._is_trial_running:
                return
            self._pause = (
                self._first_pause if self.is_closed else min(self._longest_pause, 2 * self._pause)
            )
            was_logged, self._is_logged = self._is_logged, True
            self.is_closed = False
            self._retry_at = self._clock() + self._pause
            self._end_trial()
        if not was_logged:
            logger.error("a dependency is unreachable; it is refused", dependency=self.name)

    def _end_trial(self) -> None:
        """Wake the calls that wait for the end of the trial; the caller holds the lock."""
        self._is_trial_running = False
        self._lock.notify_all()
