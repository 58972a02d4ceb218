"""Health checks on real servers: a check fails if its own server is unreachable."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa
import structlog

from api.health import HealthChecks
from cli.stack.servers.ports import free_port
from pipeline.index import open_writer
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import FingerprintIndexSettings, RedisSettings, Settings
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.processes.scratch_redis import scratch_redis

ALL = ("database", "database_ro", "redis", "index", "worker")


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        heartbeats.store(client, WorkerReport("lookup@host"))
        yield client


@pytest.fixture
def index(index_path: Path) -> FingerprintIndexSettings:
    return FingerprintIndexSettings(path=index_path)


def failed(checks: HealthChecks) -> list[str]:
    found = checks.run(ALL)
    assert set(found) == set(ALL)
    checks.close()
    return [name for name, state in found.items() if state == "failed"]


def test_all_checks_succeed(databases, client, index) -> None:
    with open_writer(index.path):
        checks = HealthChecks(databases, client, index)
        assert checks.run(ALL) == dict.fromkeys(ALL, "ok")
        assert failed(checks) == []


def test_the_database_check_writes_but_changes_no_table(databases, client, index) -> None:
    churn = sa.text("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_sys_tables")
    checks = HealthChecks(databases, client, index)
    with databases.engine("app").connect() as connection:
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        before = connection.execute(churn).scalar_one()
        started = connection.execute(sa.text("SELECT pg_current_wal_insert_lsn()")).scalar_one()
        assert checks.run(["database"]) == {"database": "ok"}
        written = connection.execute(
            sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), :started)"),
            {"started": started},
        ).scalar_one()
        connection.execute(sa.text("SELECT pg_stat_clear_snapshot()"))
        assert connection.execute(churn).scalar_one() == before
    assert written > 0
    checks.close()


def test_a_read_only_database_fails(settings, client, index) -> None:
    databases = Databases(settings, component="tests")
    sa.event.listen(
        databases.engine("app"),
        "begin",
        lambda connection: connection.execute(sa.text("SET TRANSACTION READ ONLY")),
    )
    assert failed(HealthChecks(databases, client, index)) == ["database"]
    databases.dispose()


def test_an_unreachable_database_fails(settings, client, index) -> None:
    unreachable = settings.database.model_copy(update={"port": free_port()})
    databases = Databases(settings.model_copy(update={"database": unreachable}), component="tests")
    with structlog.testing.capture_logs() as logs:
        assert failed(HealthChecks(databases, client, index)) == ["database"]
    assert [entry["check"] for entry in logs] == ["database"]
    databases.dispose()


def test_an_unreachable_redis_fails(databases, index) -> None:
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as unreachable:
        assert failed(HealthChecks(databases, unreachable, index)) == ["redis", "worker"]


def test_a_damaged_index_fails(databases, client, index) -> None:
    with open_writer(index.path):
        pass
    for file in index.path.iterdir():
        if file.is_file():
            file.write_bytes(b"rubbish")
    assert failed(HealthChecks(databases, client, index)) == ["index"]


def test_an_unreachable_index_server_fails(databases, client) -> None:
    unreachable = FingerprintIndexSettings(protocol="http", host="127.0.0.1", port=free_port())
    assert failed(HealthChecks(databases, client, unreachable)) == ["index"]


def test_no_heartbeat_of_a_worker_fails(databases, client, index) -> None:
    client.flushdb()
    assert failed(HealthChecks(databases, client, index)) == ["worker"]


def test_a_check_that_hangs_fails_at_the_deadline_and_runs_once(databases, index) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = RedisSettings(host="127.0.0.1", port=silent.getsockname()[1])
        with connect(settings, timeout=30) as client:
            checks = HealthChecks(databases, client, index, deadline=0.2)
            for _ in range(5):
                found = checks.run(("redis", "index"))
                assert found == {"redis": "failed", "index": "ok"}
            silent.settimeout(0.2)
            connection, _ = silent.accept()
            with pytest.raises(TimeoutError):
                silent.accept()
            connection.close()
            checks.close()
