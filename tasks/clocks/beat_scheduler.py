"""The scheduler of beat: redbeat's, which also corrects due times that are too far in the future.

redbeat stores in Redis when each task last ran, as a time of its host's clock. If that clock was
ahead and has been set right, or if beat has moved to a host whose clock is behind, these times are
in the future, and redbeat would send nothing until then.
"""

import time
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from celery.schedules import schedule as Interval  # noqa: N812 - Celery's name of the class
from redbeat import RedBeatScheduler, RedBeatSchedulerEntry

CHECK_EVERY: Final = 5.0
"""Seconds between two checks of all due times."""

MARGIN: Final = timedelta(seconds=1)
"""Time by which a due time may be further away than the task's period."""

logger = structlog.get_logger("acoustid.tasks.clocks.beat_scheduler")


class CorrectingScheduler(RedBeatScheduler):
    """Sends periodic tasks as redbeat does. After the clock was set back, it corrects due times."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - redbeat's arguments
        """Check at the first tick."""
        super().__init__(*args, **kwargs)
        self._checked: float | None = None

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - redbeat's arguments
        """Send all tasks that are due. Return the seconds until the next call.

        The lock is held during the check: redbeat extends it at each tick.
        """
        wait: float = super().tick(*args, **kwargs)
        now = time.monotonic()
        if self._checked is not None and now < self._checked + CHECK_EVERY:
            return wait
        self._checked = now
        return 0.0 if self.correct() else wait

    def correct(self) -> int:
        """Correct the due times that are too far in the future; return their number."""
        return sum(self._correct_one(name) for name in self.app.conf.beat_schedule)

    def _correct_one(self, name: str) -> bool:
        try:
            entry = self.Entry.from_key(self.Entry.generate_key(self.app, name), app=self.app)
        except KeyError:  # it was removed; redbeat adds it when beat starts
            return False
        now = self.app.now()
        seconds = entry.is_due().next
        if not is_too_late(entry, seconds, now):
            return False
        logger.warning("a due time was too far in the future", task=name, seconds=round(seconds))
        entry.reschedule(last_run_at=corrected(entry, now))
        return True


def is_too_late(entry: RedBeatSchedulerEntry, seconds: float, now: datetime) -> bool:
    """Return whether an entry is due later than if its task had just run.

    Args:
        entry: the entry.
        seconds: the seconds until it is due.
        now: the time by beat's clock.
    """
    longest: timedelta = entry.schedule.remaining_estimate(now) + MARGIN
    return timedelta(seconds=seconds) > longest


def corrected(entry: RedBeatSchedulerEntry, now: datetime) -> datetime:
    """Return the time of the last run with which a task with an interval is due now.

    A task that runs at a time of day is then next due at that time.
    """
    schedule = entry.schedule
    return now - schedule.run_every if isinstance(schedule, Interval) else now
