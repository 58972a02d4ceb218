"""The texts of ``acoustid status`` and ``acoustid up``."""

from pathlib import Path

from cli.commands.service.status import collect, describe, embedded_urls, worker_faults
from cli.commands.service.up import describe_running
from cli.stack.data_directory import DataDir
from cli.stack.demo_keys import Demo, Prepared
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.servers.ports import free_port
from pipeline.lookups.condition import Condition
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.processes.servers import Servers

NOBODY = ProcessIdentity(2**22, 1.0)


def server(role: str, port: int, host: str = "127.0.0.1") -> RunningProcess:
    return RunningProcess(role, StopOrder.SERVER, port, host, NOBODY)


def test_only_databases_of_the_stack_are_listed(servers: Servers) -> None:
    settings = servers.settings()
    elsewhere = settings.model_copy(
        update={"database_ingest": settings.database_ingest.model_copy(update={"host": "db"})}
    )
    state = RunState(NOBODY, (server("postgres", servers.postgres.port),))
    urls = embedded_urls(elsewhere, state)
    assert urls
    assert set(urls) == {"app", "fingerprint", "musicbrainz"}
    assert urls["app"] == (
        f"postgresql://acoustid:test-password@127.0.0.1:{servers.postgres.port}/app"
    )


def test_without_own_postgresql_no_databases_are_listed(settings: Settings) -> None:
    assert embedded_urls(settings, RunState(NOBODY)) is None


def test_values_of_unreachable_servers_are_none(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    data.create()
    ports = (free_port(), free_port())
    data.config.write_text(
        f"[redis]\nhost = 127.0.0.1\nport = {ports[0]}\n"
        + "".join(
            f"[{name}]\nhost = 127.0.0.1\nport = {ports[1]}\n"
            for name in ("database", "database_fingerprint", "database_ingest")
        )
    )
    RunState(NOBODY, (server("postgres", ports[1]),)).save(data)
    with data.lock():
        found = collect(data, {})
    assert (found["queues"], found["index"], found["counts"]) == (None, None, None)
    assert not found["ready"]
    assert [each["role"] for each in found["processes"]] == ["supervisor"]
    assert describe(found).count(" unreachable") == 4


def test_workers_with_a_fault_are_named(servers: Servers) -> None:
    redis_settings = servers.settings().redis
    bad = WorkerReport("lookup-2@there", ("lookup",), Condition.MISSING, Condition.OK)
    good = WorkerReport("lookup-1@here", ("lookup",), Condition.OK)
    with connect(redis_settings) as redis:
        for each in (bad, good):
            heartbeats.store(redis, each)
        try:
            assert worker_faults(redis_settings) == ["lookup-2@there: index missing"]
        finally:
            for each in (bad, good):
                heartbeats.forget(redis, each.node)


def test_the_text_contains_the_values_of_the_json() -> None:
    text = describe(
        {
            "data_dir": "/data",
            "ready": True,
            "processes": [{"role": "api", "pid": 12, "port": 5000}],
            "queues": {"lookup": 3, "index": 0},
            "index": {"position": 7, "condition": "filling", "database_position": 9},
            "store": {"position": 7, "fingerprints": 5, "segments": 1, "bytes": 4000},
            "worker_faults": ["lookup-2@there: index missing"],
            "counts": {"tracks": 1, "fingerprints": 2, "submissions": {"failed": 4}},
            "health": {"status": "degraded", "faults": ["start one beat process"]},
            "demo": {"client": "8XaBELgH", "user": "abc"},
        }
    )
    for expected in (
        "ready; data in /data",
        "port 5000",
        "lookup 3, index 0",
        "lookup-2@there: index missing",
        "position 7, condition filling, database position 9",
        "tracks 1, fingerprints 2",
        "failed 4",
        "degraded\n  start one beat process",
        "client=8XaBELgH user=abc",
    ):
        assert expected in text


def make_running(data: DataDir) -> None:
    data.create()
    api = RunningProcess("api", StopOrder.FRONT_END, 5001, "0.0.0.0", NOBODY)  # noqa: S104 - not bound
    RunState(NOBODY, (api,), ready=True).save(data)


def test_up_prints_an_address_that_can_be_opened(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    make_running(data)
    Prepared(Demo("8XaBELgH", "abc")).save(data.prepared)
    text = describe_running(data)
    assert "http://127.0.0.1:5001\n" in text
    assert "client=8XaBELgH  user=abc" in text
    assert "curl http://127.0.0.1:5001/_health" in text
    assert "Flower" not in text


def test_up_quotes_the_path_in_the_example_command(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "my data")
    make_running(data)
    data.demo_lookup.write_text("client=8XaBELgH")
    assert f"--data '@{data.demo_lookup}' http://127.0.0.1:5001/v2/lookup" in describe_running(data)


def test_without_demo_keys_none_are_printed(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    make_running(data)
    Prepared().save(data.prepared)
    assert "Keys" not in describe_running(data)
