"""The health checks of the processes that take submissions from NATS."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from api.access.maintenance import MaintenanceMode
from api.health.endpoint import HEALTH_PATHS, HealthChecks
from api.health.grades import Health
from api.health.ingest_judges import LATE_AFTER
from pipeline.lookups.condition import Condition
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import NatsSettings, Settings
from tasks.redis_state import heartbeats, ingest_reports
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.ingest_reports import IngestReport
from tests.support.processes.scratch_redis import scratch_redis

REPORT = IngestReport(
    "secret-host", 7, connected=True, server="secret-server:4222", announcements=0
)
NATS = NatsSettings(servers="nats://secret-server", publish_subject="done")
Check = Callable[..., Health]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """Redis as workers, beat and one ingest process leave it."""
    with scratch_redis(settings) as client:
        queues = ("lookup", "background", "submission", "index", "maintenance")
        heartbeats.store(client, WorkerReport("worker@x", queues, Condition.OK, Condition.OK))
        heartbeats.store_beat(client)
        ingest_reports.store(client, REPORT)
        yield client


@pytest.fixture
def check(settings: Settings, client: redis.Redis) -> Iterator[Check]:
    """Return a function that runs the checks of ``/_health``, with other settings of NATS."""
    databases = Databases(settings, component="tests")
    made = []

    def run(nats: NatsSettings = NATS, beat_wait: float = 0.0) -> Health:
        changed = settings.model_copy(update={"nats": nats})
        maintenance = MaintenanceMode(databases)
        checks = HealthChecks(
            changed, databases, client, maintenance, shared=0, beat_wait=beat_wait
        )
        made.append(checks)
        return checks.check(HEALTH_PATHS["/_health"])

    yield run
    for each in made:
        each.close()
    databases.dispose()


def fault_of(health: Health) -> tuple[list[str], str]:
    """Return the names of the failed checks, and the only line, which names no host."""
    assert (health.grade, health.status) == ("degraded", 200)
    (line,) = health.faults
    assert "secret" not in line
    return [name for name, state in health.checks.items() if state == "failed"], line


def test_a_connected_process_is_no_fault(check: Check) -> None:
    health = check()
    assert health.grade == "ok"
    assert health.checks["nats_ingest"] == health.checks["nats_announcements"] == "ok"


def test_without_servers_there_is_no_check(check: Check, client: redis.Redis) -> None:
    client.delete(ingest_reports.KEY)
    health = check(NatsSettings())
    assert health.grade == "ok"
    assert "nats_ingest" not in health.checks
    assert "nats_announcements" not in check(NatsSettings(servers="a")).checks


def test_without_a_process(check: Check, client: redis.Redis) -> None:
    client.delete(ingest_reports.KEY)
    assert check(beat_wait=60.0).checks["nats_ingest"] == "unknown"
    names, line = fault_of(check())
    assert names == ["nats_ingest"]
    assert "start one with `acoustid ingest nats`" in line


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"connected": False}, "no process is connected to NATS"),
        (
            {"setup_problem": "the consumer of secret is wrong"},
            "JetStream is off, or the stream or the consumer",
        ),
    ],
)
def test_a_process_that_takes_no_messages(
    check: Check, client: redis.Redis, state: dict[str, Any], expected: str
) -> None:
    ingest_reports.store(client, replace(REPORT, **state))
    names, line = fault_of(check())
    assert names == ["nats_ingest"]
    assert line.startswith(expected)


def test_one_of_two_processes_is_not_connected(check: Check, client: redis.Redis) -> None:
    ingest_reports.store(client, replace(REPORT, pid=8, connected=False))
    names, line = fault_of(check())
    assert names == ["nats_ingest"]
    assert line.startswith("1 of 2 processes are not connected")


def test_announcements_that_wait(check: Check, client: redis.Redis) -> None:
    waiting = replace(REPORT, announcements=3, oldest_announcement=LATE_AFTER - 1)
    ingest_reports.store(client, waiting)
    assert check().grade == "ok"
    ingest_reports.store(client, replace(waiting, oldest_announcement=LATE_AFTER + 1))
    names, line = fault_of(check())
    assert names == ["nats_announcements"]
    assert line.startswith("3 announcements of final states wait for NATS, the oldest for 61 s")


def test_an_old_heartbeat_does_not_count(client: redis.Redis) -> None:
    """The clock of Redis judges it; the next heartbeat deletes it."""
    stored = client.hget(ingest_reports.KEY, "secret-host:7")
    second, _, text = stored.partition(b" ")
    old = int(second) - heartbeats.ALIVE_SECONDS - 2
    client.hset(ingest_reports.KEY, "secret-host:7", f"{old} {text.decode()}")
    assert ingest_reports.read(client) == ()
    other = replace(REPORT, pid=8)
    ingest_reports.store(client, other)
    assert ingest_reports.read(client) == (other,)
    assert client.hlen(ingest_reports.KEY) == 1
    assert 0 < client.ttl(ingest_reports.KEY) <= heartbeats.ALIVE_SECONDS


def test_a_finished_process_is_forgotten(client: redis.Redis) -> None:
    ingest_reports.remove(client, REPORT.host, REPORT.pid)
    assert ingest_reports.read(client) == ()
