"""Health checks on real servers: each row of the table fails with its own fault only."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis
import sqlalchemy as sa
import structlog

from api.access.maintenance import MaintenanceMode
from api.health import queue_progress
from api.health.endpoint import HEALTH_PATHS, HealthChecks
from api.health.grades import Health
from api.health.judges import LOW_SPACE, STANDS_STILL
from api.health.table import CHECKS, checks_of
from cli.stack.servers.ports import free_port
from pipeline.catalog.app.maintenance import begin_maintenance, end_maintenance
from pipeline.lookups.condition import INDEX_ADVICE, SKETCH_ADVICE, STORE_ADVICE, Condition
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import (
    CelerySettings,
    MusicbrainzSettings,
    NatsSettings,
    RedisSettings,
    Settings,
)
from tasks import queues
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.catalogue.revisions import at_revision
from tests.support.processes.scratch_redis import scratch_redis
from tests.support.processes.wrong_time import set_clock_ahead

LOOKUP = WorkerReport("lookup-1@secret-host", ("lookup", "background"), Condition.OK, Condition.OK)
WORKERS = (
    LOOKUP,
    WorkerReport("submission@secret-host", ("submission",)),
    WorkerReport("index@secret-host", ("index", "maintenance")),
)
QUEUES = queues.queues_of(excerpt_queue=False)
DATABASES = ("database", "database_ingest", "database_fingerprint", "database_musicbrainz")

Check = Callable[..., Health]


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """Redis as all workers and beat leave it."""
    with scratch_redis(settings) as client:
        for report in WORKERS:
            heartbeats.store(client, report)
        heartbeats.store_beat(client)
        yield client


@pytest.fixture(scope="module")
def databases(settings: Settings) -> Iterator[Databases]:
    """The four databases. Only the table `maintenance` matters here."""
    databases = Databases(settings, component="tests")
    yield databases
    databases.dispose()


@pytest.fixture
def check(settings: Settings, databases: Databases, client: redis.Redis) -> Iterator[Check]:
    """Return a function that runs the checks of a path.

    With `anew` or with some sections of the settings, they open new connections.
    """
    made: list[tuple[Databases, HealthChecks]] = []

    def check(
        path: str = "/_health", *, anew: bool = False, beat_wait: float = 0.0, **sections: Any
    ) -> Health:
        changed = settings.model_copy(update=sections)
        used = Databases(changed, component="tests") if anew or sections else databases
        checks = HealthChecks(
            changed, used, client, MaintenanceMode(used), shared=0, beat_wait=beat_wait
        )
        made.append((used, checks))
        return checks.check(HEALTH_PATHS[path])

    yield check
    for used, checks in made:
        checks.close()
        if used is not databases:
            used.dispose()
    with databases.engine("app").begin() as connection:
        end_maintenance(connection)


def unreachable(settings: Settings, section: str) -> dict[str, Any]:
    """Return a section of a database whose port is closed, by its name."""
    return {section: getattr(settings, section).model_copy(update={"port": free_port()})}


@contextmanager
def read_only(settings: Settings, section: str) -> Iterator[None]:
    """Make a database read only for new connections, like a standby."""
    database = getattr(settings, section)
    engine = sa.create_engine(database.url(), isolation_level="AUTOCOMMIT")
    statement = f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = %s'
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(statement % "on"))
        yield
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text("SET default_transaction_read_only = off"))
            connection.execute(sa.text(statement % "off"))
        engine.dispose()


def failed(health: Health) -> list[str]:
    return [name for name, state in health.checks.items() if state == "failed"]


def seen(health: Health) -> tuple[str, int, list[str]]:
    return health.grade, health.status, failed(health)


def line_of(health: Health) -> str:
    """Return the only line."""
    (line,) = health.faults
    assert "secret-host" not in line
    return line


def test_without_a_fault_the_grade_is_ok(check, settings) -> None:
    for path, read_only_path in (("/_health", False), ("/_health_ro", True)):
        health = check(path)
        assert seen(health) == ("ok", 200, [])
        assert health.faults == ()
        assert set(health.checks.values()) == {"ok"}
        assert list(health.checks) == [
            each.name for each in checks_of(settings, read_only=read_only_path)
        ]


def test_every_check_can_be_in_a_reply(settings) -> None:
    """With replicas, all copies, queues and sources, the reply has a check for each row."""
    nats = NatsSettings(servers=("nats://127.0.0.1:1",), publish_subject="final")
    index = settings.fingerprint_index.model_copy(update={"sketch_rate": 4})
    celery = settings.celery.model_copy(update={"excerpt_queue": True})
    twins: dict[str, Any] = {
        "nats": nats,
        "fingerprint_index": index,
        "celery": celery,
        "musicbrainz": MusicbrainzSettings(replication_source="/srv/packets"),
    }
    for name in DATABASES:
        twins.update(unreachable(settings, f"{name}_ro"))
    seen = {each.name for each in checks_of(settings.model_copy(update=twins), read_only=False)}
    assert seen == {each.name for each in CHECKS}


@pytest.mark.parametrize(
    ("section", "grade", "expected", "words"),
    [
        ("database_ro", "degraded", ["database_ro"], "replica of the database app"),
        (
            "database_ingest_ro",
            "degraded",
            ["database_ingest_ro"],
            "replica of the database ingest",
        ),
        ("database_musicbrainz", "degraded", ["database_musicbrainz"], "have no metadata"),
        (
            "database_musicbrainz_ro",
            "degraded",
            ["database_musicbrainz_ro"],
            "replica of the database musicbrainz",
        ),
        ("database_ingest", "degraded", ["database_ingest"], "ingest refuses submissions"),
        ("database_fingerprint", "degraded", ["database_fingerprint"], "no submission is imported"),
        ("database_fingerprint_ro", "degraded", ["tracks"], "tracks cannot be read"),
        ("database", "error", ["keys", "database", "maintenance"], "API keys cannot be read"),
    ],
)
def test_an_unreachable_database(check, settings, section, grade, expected, words) -> None:
    health = check(**unreachable(settings, section))
    assert seen(health) == (grade, 503 if grade == "error" else 200, expected)
    assert words in line_of(health)
    lookups_fail = bool({"keys", "tracks"} & set(expected))
    assert check("/_health_ro", **unreachable(settings, section)).status == (
        503 if lookups_fail else 200
    )


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("database", "app refuses writes"),
        ("database_ingest", "ingest refuses submissions"),
        ("database_fingerprint", "fingerprint refuses writes"),
    ],
)
def test_a_read_only_database(check, settings, section, words) -> None:
    with read_only(settings, section):
        health = check(anew=True)
        lookups = check("/_health_ro", anew=True)
    assert seen(health) == ("degraded", 200, [section])
    assert words in line_of(health)
    assert seen(lookups) == ("ok", 200, [])


def test_lookups_go_on_without_a_place_for_submissions_and_the_reverse(
    check, settings, client
) -> None:
    no_ingest = unreachable(settings, "database_ingest")
    assert check(**no_ingest).grade == "degraded"
    client.flushdb()
    assert check().grade == "degraded"
    assert check(**no_ingest).grade == "error"


def test_an_unreachable_redis(settings, databases) -> None:
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as closed:
        checks = HealthChecks(settings, databases, closed, MaintenanceMode(databases))
        health, lookups = (checks.check(path) for path in HEALTH_PATHS.values())
        checks.close()
    assert seen(health) == ("degraded", 200, ["redis"])
    assert "Redis does not reply" in line_of(health)
    assert health.checks["worker"] == health.checks["beat"] == health.checks["index"] == "unknown"
    assert seen(lookups) == ("error", 503, ["redis"])


def test_without_a_worker(check, client) -> None:
    client.flushdb()
    heartbeats.store_beat(client)
    health = check()
    every_queue = [f"worker_{name}" for name in queues.names_of(CelerySettings())]
    assert seen(health) == ("degraded", 200, ["worker", *every_queue])
    assert "start the workers" in line_of(health)
    assert seen(check("/_health_ro")) == ("error", 503, ["worker", "worker_lookup"])


@pytest.mark.parametrize("queue", QUEUES, ids=[queue.name for queue in QUEUES])
def test_a_queue_without_a_worker(check, client, queue) -> None:
    for report in WORKERS:
        served = tuple(name for name in report.queues if name != queue.name)
        heartbeats.store(client, replace(report, queues=served))
    health = check()
    assert seen(health) == ("degraded", 200, [f"worker_{queue.name}"])
    line = line_of(health)
    assert f"no worker of the queue {queue.name} has sent a heartbeat for 15 s: start one" in line
    assert "waits for a database" in line
    assert check("/_health_ro").status == (503 if queue.name == queues.LOOKUP else 200)


def test_a_worker_of_an_older_version_may_serve_any_queue(check, client) -> None:
    client.delete("worker:report:lookup-1@secret-host")
    health = check()
    assert seen(health) == ("degraded", 200, ["worker"])
    assert "restart the workers" in line_of(health)
    assert health.checks["worker_lookup"] == "unknown"
    assert check("/_health_ro").status == 200


@pytest.mark.parametrize("condition", [each for each in Condition if each is not Condition.OK])
def test_a_fault_of_the_index(check, client, condition) -> None:
    bad = replace(LOOKUP, node="lookup-2@secret-host", index=condition)
    heartbeats.store(client, bad)
    health = check()
    assert seen(health) == ("degraded", 200, ["index"])
    assert line_of(health) == f"1 of 2 workers: {INDEX_ADVICE[condition]}"
    assert seen(check("/_health_ro")) == ("degraded", 200, ["index"])
    heartbeats.store(client, replace(LOOKUP, index=condition))
    health = check()
    assert seen(health) == ("degraded", 200, ["index", "search"])
    assert line_of(health) == f"2 of 2 workers: {INDEX_ADVICE[condition]}"
    assert seen(check("/_health_ro")) == ("error", 503, ["index", "search"])


def test_files_that_stop_updates_of_the_index(check, client) -> None:
    heartbeats.store(client, WorkerReport("index@x", ("index", "maintenance"), unknown_files=1))
    health = check()
    assert seen(health) == ("degraded", 200, ["index"])
    assert "unknown names" in line_of(health)


def test_an_index_that_stands_still_without_a_limit(check, client) -> None:
    """`[cluster] max_lag = 0` permits any lag; it is a fault nevertheless."""
    heartbeats.store(client, replace(LOOKUP, index_lag=STANDS_STILL - 1))
    assert seen(check()) == ("ok", 200, [])
    heartbeats.store(client, replace(LOOKUP, index_lag=STANDS_STILL + 1))
    health = check()
    assert seen(health) == ("degraded", 200, ["index"])
    assert "not current for 61 s" in line_of(health)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"free_bytes": 0}, "is full or read-only: free some space"),
        ({"free_bytes": LOW_SPACE - 1}, "has 63 MiB left: free some space"),
        ({"free_bytes": 10**12, "write_problem": "index: disk full"}, "`acoustid status` names"),
    ],
)
def test_a_disk_that_the_index_worker_cannot_write(check, client, state, words) -> None:
    heartbeats.store(client, replace(WORKERS[2], **state))
    health = check()
    assert seen(health) == ("degraded", 200, ["disk"])
    assert words in line_of(health)
    heartbeats.store(client, replace(WORKERS[2], free_bytes=LOW_SPACE))
    assert seen(check()) == ("ok", 200, [])


def test_a_redis_that_refuses_writes(check, client) -> None:
    client.config_set("maxmemory", 1_000_000)
    try:
        health, lookups = check(), check("/_health_ro")
        client.delete("beat:published", "worker:heartbeats")  # as they expire
        later = check()
    finally:
        client.config_set("maxmemory", 0)
    assert seen(health) == ("degraded", 200, ["redis_write", "redis_space"])
    assert "its memory is full: raise `maxmemory`" in line_of(health)
    assert seen(lookups) == ("error", 503, ["redis_write"])
    assert "redis_write" in failed(later)
    assert "its memory is full" in line_of(later)


def test_a_redis_that_is_nearly_full(check, client) -> None:
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.04))
    try:
        health = check()
    finally:
        client.config_set("maxmemory", 0)
    assert seen(health) == ("degraded", 200, ["redis_space"])
    assert "raise `maxmemory`" in line_of(health)


def test_a_queue_without_progress(settings, databases, client, monkeypatch) -> None:
    monkeypatch.setattr(queue_progress, "STUCK_AFTER", 0.0)
    client.lpush("submission", "message")
    checks = HealthChecks(settings, databases, client, MaintenanceMode(databases), shared=0)
    health = checks.check(HEALTH_PATHS["/_health"])
    checks.close()
    assert seen(health) == ("degraded", 200, ["queues"])
    assert "submission (1 messages)" in line_of(health)


def test_the_worst_condition_is_reported(check, client) -> None:
    for number, condition in enumerate(Condition):
        heartbeats.store(client, replace(LOOKUP, node=f"lookup-{number}@x", index=condition))
    assert str(INDEX_ADVICE[Condition.FOREIGN]) in line_of(check())


def test_a_lookup_worker_without_a_condition_may_have_a_usable_index(check, client) -> None:
    heartbeats.store(client, replace(LOOKUP, index=Condition.DAMAGED))
    heartbeats.store(client, replace(LOOKUP, node="lookup-2@secret-host", index=None))
    assert seen(check("/_health_ro")) == ("degraded", 200, ["index"])


def test_a_condition_of_a_newer_version_is_not_known(check, client) -> None:
    key = f"worker:report:{LOOKUP.node}"
    client.set(key, client.get(key).replace(b'"ok"', b'"sideways"'))
    health = check("/_health_ro")
    assert seen(health) == ("ok", 200, [])
    assert health.checks["index"] == health.checks["search"] == "unknown"


def test_a_lookup_worker_that_has_not_reported_a_condition_yet_is_no_fault(check, client) -> None:
    heartbeats.store(client, replace(LOOKUP, index=None, store=None))
    health = check("/_health_ro")
    assert seen(health) == ("ok", 200, [])
    assert health.checks["index"] == health.checks["search"] == health.checks["store"] == "unknown"


@pytest.mark.parametrize("condition", [each for each in Condition if each is not Condition.OK])
def test_a_fault_of_the_store(check, client, condition) -> None:
    heartbeats.store(client, replace(LOOKUP, store=condition))
    health = check()
    assert seen(health) == ("degraded", 200, ["store"])
    assert line_of(health) == f"1 of 1 workers: {STORE_ADVICE[condition]}"
    assert seen(check("/_health_ro")) == ("degraded", 200, ["store"])


def test_a_fault_of_the_sketch_index(check, client, settings) -> None:
    """It is checked with a rate only."""
    heartbeats.store(client, replace(LOOKUP, sketch=Condition.FILLING))
    assert "sketch" not in check().checks
    index = settings.fingerprint_index.model_copy(update={"sketch_rate": 4})
    health = check(fingerprint_index=index)
    assert seen(health) == ("degraded", 200, ["sketch"])
    assert line_of(health) == f"1 of 1 workers: {SKETCH_ADVICE[Condition.FILLING]}"


def test_a_disabled_store_is_not_checked(check, settings) -> None:
    disabled = settings.fingerprint_store.model_copy(update={"enabled": False})
    assert "store" not in check(fingerprint_store=disabled).checks


def test_without_beat(check, client) -> None:
    client.delete("beat:published")
    health = check()
    assert seen(health) == ("degraded", 200, ["beat"])
    assert "start one beat process" in line_of(health)
    early = check(beat_wait=15.0)  # a front end that was just started
    assert (seen(early), early.checks["beat"]) == (("ok", 200, []), "unknown")


@pytest.mark.parametrize("seconds", [8.0, -8.0])
def test_the_clock_of_a_worker_is_wrong(check, client, seconds) -> None:
    heartbeats.store(client, replace(LOOKUP, clock_difference=seconds))
    health = check()
    assert seen(health) == ("degraded", 200, ["clocks"])
    line = line_of(health)
    assert f"a worker {seconds:+.1f} s" in line
    assert "NTP" in line


def test_the_clocks_of_beat_and_of_a_database_are_wrong(check, client) -> None:
    heartbeats.store_beat(client, 3600.0)
    heartbeats.store_postgres_clocks(client, {"app": -20.0, "ingest": 0.1})
    health = check()
    assert seen(health) == ("degraded", 200, ["clocks"])
    assert ": beat +3600.0 s, PostgreSQL (app) -20.0 s: synchronize" in line_of(health)


@pytest.mark.parametrize("seconds", [30.0, -30.0])
def test_the_clock_of_the_front_end_is_wrong(check, monkeypatch, seconds) -> None:
    """It reports that, and not that the workers are dead."""
    set_clock_ahead(monkeypatch, heartbeats, seconds)
    health = check()
    assert seen(health) == ("degraded", 200, ["clocks"])
    assert f"this front end {seconds:+.1f} s" in line_of(health)


def test_small_differences_of_clocks_are_allowed(check, client) -> None:
    heartbeats.store(client, replace(LOOKUP, clock_difference=4.9))
    heartbeats.store_beat(client, -4.9)
    assert seen(check()) == ("ok", 200, [])


def test_during_maintenance(check, databases, client) -> None:
    with databases.engine("app").begin() as connection:
        begin_maintenance(connection, "moving secret-host")
    health = check()
    assert seen(health) == ("degraded", 200, ["maintenance"])
    assert "acoustid maintenance off" in line_of(health)
    assert seen(check("/_health_ro")) == ("ok", 200, [])
    client.flushdb()  # no lookups either
    assert check().grade == "error"


def test_the_table_of_the_maintenance_mode_is_missing(check, databases) -> None:
    rename = "ALTER TABLE {} RENAME TO {}"
    with databases.engine("app").begin() as connection:
        connection.execute(sa.text(rename.format("maintenance", "other")))
    try:
        health = check()
    finally:
        with databases.engine("app").begin() as connection:
            connection.execute(sa.text(rename.format("other", "maintenance")))
    assert seen(health) == ("degraded", 200, ["maintenance"])
    assert "acoustid migrate" in line_of(health)


@pytest.mark.parametrize(
    ("section", "name", "older", "newer"),
    [
        ("database", "app", ["keys", "database", "database_ro"], ["database"]),
        ("database_ingest", "ingest", ["database_ingest"], ["database_ingest"]),
        (
            "database_fingerprint",
            "fingerprint",
            ["tracks", "database_fingerprint"],
            ["database_fingerprint"],
        ),
        ("database_musicbrainz", "musicbrainz", *(2 * [["database_musicbrainz"]])),
    ],
)
def test_a_database_of_another_version(check, settings, section, name, older, newer) -> None:
    """An older schema stops the services that use it; a newer one stops no lookups."""
    database = getattr(settings, section)
    with at_revision(database, name, None):
        health = check()
        lookups = check("/_health_ro")
    assert seen(health) == (
        "error" if name == "app" else "degraded",
        503 if name == "app" else 200,
        older,
    )
    assert line_of(health) == (
        f"the database {name} is not migrated to this version: run `acoustid migrate`"
    )
    assert lookups.status == (503 if name in {"app", "fingerprint"} else 200)
    with at_revision(database, name, f"{name}_9999"):
        health = check()
        assert check("/_health_ro").status == 200
    assert seen(health) == ("degraded", 200, newer)
    assert f"the database {name} was made by a newer version" in line_of(health)


def test_a_front_end_that_is_stopping(settings, databases, client) -> None:
    checks = HealthChecks(settings, databases, client, MaintenanceMode(databases))
    assert checks.check(HEALTH_PATHS["/_health"]).status == 200
    checks.stop()
    for path in HEALTH_PATHS.values():
        health = checks.check(path)
        assert seen(health) == ("error", 503, [])
        assert "stopping" in line_of(health)
    checks.close()


def test_the_write_check_changes_no_table(check, databases) -> None:
    churn = sa.text("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_sys_tables")
    with databases.engine("app").connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        before = connection.execute(churn).scalar_one()
        started = connection.execute(sa.text("SELECT pg_current_wal_insert_lsn()")).scalar_one()
        assert check().checks["database"] == "ok"
        written = connection.execute(
            sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :started)"),
            {"started": started},
        ).scalar_one()
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        assert connection.execute(churn).scalar_one() == before
    assert written > 0


def test_requests_within_a_second_share_a_result(settings, client) -> None:
    probed = Databases(settings, component="probe")
    statements: list[str] = []
    sa.event.listen(
        probed.engine("ingest"),
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    checks = HealthChecks(settings, probed, client, MaintenanceMode(probed), shared=60)
    for _ in range(20):
        assert checks.check(HEALTH_PATHS["/_health"]).grade == "ok"
    assert len([each for each in statements if "pg_logical_emit_message" in each]) == 1
    checks.close()
    probed.dispose()


def test_a_check_that_hangs_fails_at_the_deadline_and_runs_once(settings, databases) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = RedisSettings(host="127.0.0.1", port=silent.getsockname()[1])
        with connect(hanging, timeout=30) as client, structlog.testing.capture_logs() as logs:
            checks = HealthChecks(
                settings, databases, client, MaintenanceMode(databases), deadline=0.5, shared=0
            )
            begun = time.monotonic()
            for _ in range(5):
                assert failed(checks.check(HEALTH_PATHS["/_health"])) == ["redis"]
            assert time.monotonic() - begun < 5 * 0.5  # only the first request waits
            silent.settimeout(0.2)
            # One connection for each of the probes of processes, writes and queues.
            connections = [silent.accept()[0] for _ in range(3)]
            with pytest.raises(TimeoutError):
                silent.accept()
            for connection in connections:
                connection.close()
            checks.close()
    assert {entry["check"] for entry in logs} == {"redis", "redis write", "queues"}
