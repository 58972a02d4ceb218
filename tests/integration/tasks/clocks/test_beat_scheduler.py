"""Beat sends again at once after its clock was ahead and has been set right."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab

from pipeline.settings.sections import Settings
from tasks.clocks.beat_scheduler import CHECK_EVERY, CorrectingScheduler
from tests.support.clock import Clock
from tests.support.processes.scratch_redis import on_scratch, scratch_redis

SECONDS = 30.0
SCHEDULE = {
    "often": {"task": "often", "schedule": SECONDS},
    "hourly": {"task": "hourly", "schedule": 3600.0},
    "daily": {"task": "daily", "schedule": crontab(hour="0", minute="5")},
}


class Beat:
    """Beat processes on one Redis, whose clock is ahead by `ahead`.

    Attributes:
        sent: the names of the tasks that were sent.
    """

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.monotonic = Clock()
        monkeypatch.setattr("tasks.clocks.beat_scheduler.time.monotonic", self.monotonic)
        self.sent: list[str] = []
        self.ahead = timedelta(0)
        self.start = datetime(2026, 3, 4, 12, tzinfo=UTC)
        self.passed = timedelta(0)
        self.restart()

    def restart(self) -> None:
        """Start another process."""
        beat = self

        class App(Celery):
            def now(self) -> datetime:
                return beat.start + beat.passed + beat.ahead

        url = self.settings.redis.url()
        app = App("beat", set_as_current=False)
        app.conf.update(
            broker_url=url,
            redbeat_redis_url=url,
            redbeat_redis_options={"socket_timeout": 5},
            redbeat_lock_key=None,
            beat_schedule=SCHEDULE,
            result_expires=None,
            enable_utc=True,
            timezone="UTC",
        )

        class Scheduler(CorrectingScheduler):
            def apply_async(self, entry: Any, *_: Any, **__: Any) -> None:
                beat.sent.append(entry.name)
                self.reserve(entry)

        self.scheduler = Scheduler(app, lock_key=None)
        self.scheduler.lock_key = None
        self.scheduler.max_interval = 1
        self.scheduler.setup_schedule()

    def run(self, seconds: float) -> list[str]:
        """Let time pass, with a tick each second; return the tasks that were sent."""
        self.sent.clear()
        for _ in range(int(seconds)):
            self.passed += timedelta(seconds=1)
            self.monotonic.now += 1
            while self.scheduler.tick() <= 0:
                pass
        return list(self.sent)


@pytest.fixture
def beat(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beat]:
    with scratch_redis(settings):
        yield Beat(on_scratch(settings), monkeypatch)


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("hours", [1, 24 * 365])
def test_a_clock_that_was_ahead_is_put_right(beat: Beat, restarts: bool, hours: int) -> None:
    beat.ahead = timedelta(hours=hours)
    assert set(beat.run(2)) >= {"often", "hourly"}
    beat.ahead = timedelta(0)
    if restarts:
        beat.restart()
    assert sorted(beat.run(CHECK_EVERY + 1)) == ["hourly", "often"]
    assert beat.run(SECONDS) == ["often"]


def test_a_daily_task_runs_at_its_time_after_the_clock_was_ahead(beat: Beat) -> None:
    beat.run(2)
    beat.start += timedelta(hours=11, minutes=30)  # 23:30
    beat.ahead = timedelta(hours=1)
    assert "daily" in beat.run(2)
    beat.ahead = timedelta(0)
    assert "daily" not in beat.run(10)
    beat.start += timedelta(minutes=36)
    assert "daily" in beat.run(2)


def test_a_clock_that_was_behind_is_put_right(beat: Beat) -> None:
    beat.ahead = timedelta(hours=-1)
    beat.run(2)
    beat.ahead = timedelta(0)
    assert "often" in beat.run(1)


def test_due_times_of_a_right_clock_are_kept(beat: Beat) -> None:
    beat.run(2)
    beat.restart()
    assert beat.run(SECONDS - 4) == []
    assert beat.run(8) == ["often"]
