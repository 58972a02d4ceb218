"""Heartbeats and queues are judged by the clock of Redis alone; no lookup reads that clock."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.settings.sections import Settings
from tasks import dispatch
from tasks.clocks.shared_clock import clock_of, redis_time
from tasks.periodic.postgres_clocks import measure
from tasks.redis_state import heartbeats, task_progress
from tasks.redis_state.heartbeats import ALIVE_SECONDS, KEY, WorkerReport
from tasks.redis_state.queue_lengths import backlog
from tasks.signals import every_process
from tasks.worker_resources import WorkerResources
from tests.support.processes.scratch_redis import on_scratch, scratch_redis
from tests.support.processes.workers import point_celery_at, write_config
from tests.support.processes.wrong_time import set_clock_ahead

REPORT = WorkerReport("lookup-1@here", ("lookup",))


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture(params=[-3600.0, 3600.0], ids=["behind", "ahead"])
def wrong(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Set the clock of this host wrong; return by how much."""
    seconds = float(request.param)
    for module in (heartbeats, every_process):
        set_clock_ahead(monkeypatch, module, seconds)
    return seconds


def test_a_worker_with_a_wrong_clock_is_alive(client: redis.Redis, wrong: float) -> None:
    started = redis_time(client)
    heartbeats.store(client, REPORT)
    assert heartbeats.alive(client) == [REPORT.node]
    assert heartbeats.alive_since(client, started) == [REPORT.node]
    found = heartbeats.processes(client)
    assert found.reports == (REPORT,)
    assert found.own_clock == pytest.approx(wrong, abs=0.5)


@pytest.mark.usefixtures("wrong")
def test_a_worker_is_dead_after_its_last_heartbeat(client: redis.Redis) -> None:
    heartbeats.store(client, REPORT)
    client.zadd(KEY, {REPORT.node: redis_time(client) - ALIVE_SECONDS - 1})
    assert heartbeats.alive(client) == []
    assert heartbeats.processes(client).reports == ()
    heartbeats.store(client, WorkerReport("other@here"))
    assert client.zscore(KEY, REPORT.node) is None


@pytest.mark.usefixtures("wrong")
def test_the_age_of_a_queue(settings: Settings, tmp_path: Path) -> None:
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    with connect(settings.redis) as client:
        client.delete("submission")
        dispatch.send_submissions([1])
        assert backlog(client, "submission").age < 1
        client.delete("submission")


def test_the_start_of_a_task(client: redis.Redis) -> None:
    task_progress.set_stage(client, ["t"], "submission.score")
    started = client.hget(task_progress.progress_key("t"), "started")
    assert float(started) == pytest.approx(redis_time(client), abs=2)


def test_the_clocks_of_postgresql_are_measured(
    settings: Settings, client: redis.Redis, databases: Databases
) -> None:
    resources = WorkerResources(on_scratch(settings), databases, client, Metrics())
    found = measure(resources)
    assert set(found) == {"app", "fingerprint", "ingest", "musicbrainz"}
    assert all(abs(each) < 1 for each in found.values())
    assert heartbeats.processes(client).postgres_clocks == pytest.approx(found)


def test_reading_the_shared_clock_sends_no_command(settings: Settings, client: redis.Redis) -> None:
    clock = clock_of(settings.redis)
    clock.now()
    begun, before = time.monotonic(), calls_of_time(client)
    for _ in range(10_000):
        clock.now()
    seconds = time.monotonic() - begun
    # Other processes and threads read the clock once a second.
    assert calls_of_time(client) - before <= 10 * (1 + seconds)


def calls_of_time(client: redis.Redis) -> int:
    return int(client.info("commandstats").get("cmdstat_time", {"calls": 0})["calls"])
