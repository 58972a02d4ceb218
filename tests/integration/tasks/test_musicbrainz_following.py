"""The beat applies packets of MusicBrainz, and measures how far the copy is behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from api.access.maintenance import MaintenanceMode
from api.health.endpoint import HEALTH_PATHS, HealthChecks
from cli.status.musicbrainz import musicbrainz_state
from pipeline.catalog.advisory_locks import try_lock_musicbrainz_until_commit
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.settings.sections import MusicbrainzSettings, Settings
from tasks.periodic import musicbrainz_following as task
from tasks.periodic.schedule import SCHEDULE, schedule_of
from tasks.queues import SUBMISSION
from tasks.redis_state import catalogue_generation, musicbrainz_following
from tasks.worker_resources import WorkerResources
from tests.support.fixtures import Script
from tests.support.musicbrainz.copies import Copy, a_recording, followed_copy
from tests.support.musicbrainz.packets import FIRST, Change, Packet
from tests.support.processes.workers import point_celery_at, write_config

NEXT = FIRST + 1


class Gauges(Metrics):
    """Keeps the last value of each gauge."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, float] = {}

    def _gauge(self, name: str, value: float) -> None:
        self.values[name] = value


@pytest.fixture
def copy(with_script: Script) -> Copy:
    return followed_copy(with_script.databases)


@pytest.fixture
def resources(with_script: Script, copy: Copy, tmp_path: Path) -> WorkerResources:
    """The resources of a worker that follows a directory."""
    del copy
    return resources_for(with_script, MusicbrainzSettings(replication_source=str(tmp_path)))


def resources_for(script: Script, section: MusicbrainzSettings) -> WorkerResources:
    settings = script.settings.model_copy(update={"musicbrainz": section})
    return WorkerResources(settings, script.databases, script.redis, Gauges())


def write_packets(folder: Path, number: int) -> None:
    for sequence in range(NEXT, NEXT + number):
        row = a_recording(sequence)
        Packet(sequence, [Change("recording", new=row)]).write(folder)


def test_a_run_applies_all_packets(resources: WorkerResources, copy: Copy, tmp_path: Path) -> None:
    """And renews the generation, so that no front end keeps older answers."""
    write_packets(tmp_path, 3)
    before = catalogue_generation.read(resources.redis)
    assert task.follow_once(resources) == 3
    assert copy.sequence == NEXT + 2
    after = catalogue_generation.read(resources.redis)
    assert after is not None
    assert after != before
    assert task.follow_once(resources) == 0
    assert catalogue_generation.read(resources.redis) == after


def test_a_run_ends_in_time_and_publishes_the_next_one_once(
    settings: Settings,
    with_script: Script,
    copy: Copy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Celery keeps its connections, so all tests of a process publish to one Redis database.
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    section = MusicbrainzSettings(replication_source=str(tmp_path))
    followed = settings.model_copy(update={"musicbrainz": section})
    client = connect(settings.redis)
    resources = WorkerResources(followed, with_script.databases, client, Gauges())
    monkeypatch.setattr(task, "LAST_START", 0.0001)
    write_packets(tmp_path, 1)
    assert task.follow_once(resources) <= 1
    assert task.follow_once(resources) <= 1
    assert resources.redis.llen(SUBMISSION) == 1
    musicbrainz_following.next_run_began(resources.redis)
    monkeypatch.setattr(task, "LAST_START", 5.0)
    task.follow_once(resources)
    assert copy.sequence == NEXT
    assert resources.redis.llen(SUBMISSION) == 1
    musicbrainz_following.next_run_began(resources.redis)
    resources.redis.delete(SUBMISSION)  # the workers of later tests would run the task


def test_the_reason_for_a_stop_is_stored_and_deleted(
    resources: WorkerResources, copy: Copy, tmp_path: Path
) -> None:
    Packet(NEXT + 1).write(tmp_path)
    assert task.follow_once(resources) == 0
    problem = musicbrainz_following.read_problem(resources.redis)
    assert f"but not packet {NEXT}" in problem
    found = musicbrainz_state(resources.databases, resources.settings)
    assert found is not None
    assert (found["problem"], found["replication_sequence"]) == (problem, FIRST)
    write_packets(tmp_path, 1)
    assert task.follow_once(resources) == 2
    assert musicbrainz_following.read_problem(resources.redis) == ""
    assert copy.sequence == NEXT + 1


def test_while_a_dump_is_loaded_a_run_does_nothing(
    resources: WorkerResources, copy: Copy, tmp_path: Path
) -> None:
    write_packets(tmp_path, 1)
    with copy.engine.begin() as other:
        assert try_lock_musicbrainz_until_commit(other)
        assert task.follow_once(resources) == 0
    assert musicbrainz_following.read_problem(resources.redis) == ""
    assert task.follow_once(resources) == 1


def test_a_database_that_is_too_slow_is_named(
    resources: WorkerResources, copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "RUN_LIMIT", 0.3)
    write_packets(tmp_path, 1)
    with copy.engine.begin() as other:
        other.execute(mb.recording.delete())  # its lock delays nothing but the update of the row
        other.exec_driver_sql("LOCK musicbrainz.recording")
        assert task.follow_once(resources) == 0
        other.rollback()
    assert "acoustid musicbrainz follow --once" in musicbrainz_following.read_problem(
        resources.redis
    )
    monkeypatch.setattr(task, "RUN_LIMIT", 16.0)
    assert task.follow_once(resources) == 1


def test_a_user_that_may_only_read_is_named(
    resources: WorkerResources, copy: Copy, tmp_path: Path
) -> None:
    write_packets(tmp_path, 1)
    rights = "INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA musicbrainz"
    execute(copy, f"REVOKE {rights} FROM CURRENT_USER")
    try:
        assert task.follow_once(resources) == 0
    finally:
        execute(copy, f"GRANT {rights} TO CURRENT_USER")
    problem = musicbrainz_following.read_problem(resources.redis)
    assert "may only read the copy: run `acoustid musicbrainz follow`" in problem


def execute(copy: Copy, statement: str) -> None:
    with copy.engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_no_record_of_a_run_has_the_token(with_script: Script, copy: Copy) -> None:
    del copy
    section = MusicbrainzSettings(
        replication_source="https://127.0.0.1:1/api", replication_token=SecretStr("s3cr3t")
    )
    resources = resources_for(with_script, section)
    with structlog.testing.capture_logs() as logs:
        task.follow_once(resources)
    assert logs
    assert "s3cr3t" not in repr(logs)
    assert "s3cr3t" not in musicbrainz_following.read_problem(resources.redis)
    assert "s3cr3t" not in repr(resources.settings)


def set_date(copy: Copy, date: datetime | None) -> None:
    with copy.engine.begin() as connection:
        connection.execute(mb.replication_control.update().values(last_replication_date=date))


def test_the_lag_is_measured(resources: WorkerResources, copy: Copy) -> None:
    set_date(copy, datetime.now(UTC) - timedelta(hours=5))
    lag = task.measure(resources)
    assert lag == pytest.approx(5 * 3600, abs=60)
    assert isinstance(resources.metrics, Gauges)
    assert resources.metrics.values == {
        "musicbrainz_replication_sequence": FIRST,
        "musicbrainz_replication_lag_seconds": lag,
    }


@pytest.mark.parametrize(("date", "expected"), [(None, None), (timedelta(minutes=5), 0.0)])
def test_a_lag_that_is_not_known_or_negative(
    resources: WorkerResources, copy: Copy, date: timedelta | None, expected: float | None
) -> None:
    set_date(copy, date and datetime.now(UTC) + date)
    task.measure(resources)
    assert isinstance(resources.metrics, Gauges)
    assert resources.metrics.values.get("musicbrainz_replication_lag_seconds") == expected


def test_an_unreachable_database_is_not_measured(resources: WorkerResources) -> None:
    settings = resources.settings
    gone = settings.database_musicbrainz.model_copy(update={"port": 1})
    settings = settings.model_copy(
        update={"database_musicbrainz": gone, "database_musicbrainz_ro": gone}
    )
    databases = Databases(settings)
    assert task.measure(replace(resources, settings=settings, databases=databases)) is None
    databases.dispose()


@pytest.mark.parametrize(
    ("hours", "limit", "state"),
    [(5, 86_400, "ok"), (25, 86_400, "failed"), (25, 0, "ok"), (None, 86_400, "failed")],
)
def test_the_health_check_fails_if_the_copy_is_too_far_behind(
    resources: WorkerResources, copy: Copy, hours: int | None, limit: float, state: str
) -> None:
    set_date(copy, None if hours is None else datetime.now(UTC) - timedelta(hours=hours))
    section = resources.settings.musicbrainz.model_copy(update={"max_lag": limit})
    settings = resources.settings.model_copy(update={"musicbrainz": section})
    health = health_of(settings, resources)
    assert health.checks["musicbrainz_replication"] == state
    lines = [line for line in health.faults if "copy of MusicBrainz" in line]
    assert len(lines) == (state == "failed")
    if hours and lines:
        assert "is 25.0 h behind: `acoustid status` gives the reason" in lines[0]


def test_without_a_source_there_is_no_check(resources: WorkerResources) -> None:
    settings = resources.settings.model_copy(update={"musicbrainz": MusicbrainzSettings()})
    assert "musicbrainz_replication" not in health_of(settings, resources).checks


def health_of(settings: Settings, resources: WorkerResources):
    maintenance = MaintenanceMode(resources.databases)
    checks = HealthChecks(settings, resources.databases, resources.redis, maintenance, shared=0)
    try:
        return checks.check(HEALTH_PATHS["/_health"])
    finally:
        checks.close()


def test_the_schedule_follows_by_setting() -> None:
    assert schedule_of(MusicbrainzSettings()) == SCHEDULE
    section = MusicbrainzSettings(replication_source="/srv/packets", replication_interval=600)
    added = schedule_of(section)["follow-musicbrainz"]
    assert added == {
        "task": "maintenance.follow_musicbrainz",
        "schedule": 600.0,
        "options": {"expires": 600.0, "ignore_result": True},
    }
