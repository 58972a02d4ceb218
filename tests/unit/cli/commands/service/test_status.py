"""The texts and the exit status of ``acoustid status`` and ``acoustid up``."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import click
import psutil
import pytest
from click.testing import CliRunner

from cli.commands.service.status import status
from cli.commands.service.up import describe_running
from cli.exit_status import ExitStatus
from cli.stack.data_directory import CONFIG_VARIABLE, DataDir
from cli.stack.demo_keys import Demo, Prepared
from cli.stack.files.installed_code import own_code
from cli.stack.processes.stopping import StopOrder
from cli.stack.processes.strays import ProcessIdentity
from cli.stack.run_state import RunningProcess, RunState
from cli.stack.selection import ChosenStack
from cli.stack.servers.ports import free_port
from cli.status.collect import collect, embedded_urls
from cli.status.text import describe, duration
from pipeline.settings.sections import Settings
from tests.support.processes.servers import Servers

NOBODY = ProcessIdentity(2**22, 1.0)
THIS = ProcessIdentity(os.getpid(), psutil.Process().create_time())


def server(role: str, port: int, host: str = "127.0.0.1") -> RunningProcess:
    return RunningProcess(role, StopOrder.SERVER, port, host, NOBODY)


def stack_without_servers(
    path: Path, *, ready: bool, ports: tuple[int, int] | None = None
) -> DataDir:
    """Return a data directory whose servers do not reply."""
    data = DataDir.at(path)
    data.create()
    ports = ports or (free_port(), free_port())
    data.config.write_text(
        f"[redis]\nhost = 127.0.0.1\nport = {ports[0]}\n"
        + "".join(
            f"[{name}]\nhost = 127.0.0.1\nport = {ports[1]}\n"
            for name in ("database", "database_fingerprint", "database_ingest")
        )
    )
    processes = (server("postgres", ports[1]),)
    RunState(THIS, processes, ready=ready, code=own_code()).save(data)
    return data


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
    data = stack_without_servers(tmp_path, ready=True)
    with data.lock():
        found = collect(ChosenStack(data, data.config, {}))
    missing = [found[name] for name in ("queues", "submissions", "catalogue", "redis")]
    assert missing == [None] * 4
    assert found["disk"]["data_dir_free_bytes"] > 0
    assert found["index"]["condition"] is None
    assert (found["state"], found["ready"]) == ("failing", False)
    assert found["runs_installed_code"]
    assert [each["role"] for each in found["processes"]] == ["supervisor"]
    text = click.unstyle(describe(found))
    assert text.startswith("not ready; data in ")
    assert text.count(" unreachable") == 5
    json.dumps(found)


@pytest.mark.parametrize(
    ("ready", "expected"), [(True, "not ready; data in"), (False, "starting; data in")]
)
def test_a_stack_that_does_not_serve_has_the_status_failed(
    tmp_path: Path, ready: bool, expected: str
) -> None:
    data = stack_without_servers(tmp_path, ready=ready)
    with data.lock():
        result = CliRunner().invoke(status, ["--data-dir", str(tmp_path)])
    assert result.exit_code == ExitStatus.FAILED
    assert expected in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_first_start_without_any_file_yet_is_starting(
    tmp_path: Path, arguments: list[str]
) -> None:
    data = DataDir.at(tmp_path)
    data.create()
    with data.lock():
        result = CliRunner().invoke(status, ["--data-dir", str(tmp_path), *arguments])
    assert result.exit_code == ExitStatus.FAILED
    assert "starting" in result.stdout
    assert "not ready yet" in result.stdout or json.loads(result.stdout)["state"] == "starting"


def test_values_of_a_starting_stack_are_not_ready_yet(tmp_path: Path) -> None:
    data = stack_without_servers(tmp_path, ready=False)
    with data.lock():
        text = click.unstyle(describe(collect(ChosenStack(data, data.config, {}))))
    assert text.count("not ready yet") == 7
    assert "unreachable" not in text
    assert "does not reply" not in text


def test_servers_that_hang_delay_the_status_for_a_limited_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They accept connections and do not reply, as stopped processes."""
    monkeypatch.setattr("cli.status.collect.LONGEST", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]
        data = stack_without_servers(tmp_path, ready=True, ports=(port, port))
        api = RunningProcess("api", StopOrder.FRONT_END, port, "127.0.0.1", NOBODY)
        RunState(THIS, (api,), ready=True).save(data)
        started = time.monotonic()
        with data.lock():
            found = collect(ChosenStack(data, data.config, {}))
    assert time.monotonic() - started < 2
    assert found["state"] == "failing"
    names = ("health", "queues", "submissions", "catalogue")
    assert [found[name] for name in names] == [None] * 4
    assert found["processes"]


def test_a_stopped_stack_is_told(tmp_path: Path) -> None:
    stack_without_servers(tmp_path, ready=True)
    result = CliRunner().invoke(status, ["--data-dir", str(tmp_path)])
    assert result.exit_code == ExitStatus.NO_STACK
    assert f"the stack in {tmp_path} does not run" in result.stderr
    result = CliRunner().invoke(status, ["--json", "--data-dir", str(tmp_path)])
    assert result.exit_code == ExitStatus.NO_STACK
    assert json.loads(result.stdout)["state"] == "stopped"


def test_the_processes_of_other_programs_are_unknown(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Compose: `acoustid up` has not started them."""
    redis = servers.settings().redis
    path = tmp_path / "acoustid.conf"
    path.write_text(
        f"[redis]\nhost = {redis.host}\nport = {redis.port}\n"
        f"password = {redis.password.get_secret_value()}\n"
    )
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    result = CliRunner().invoke(status, ["--json"])
    assert result.exit_code == ExitStatus.OK
    found = json.loads(result.stdout)
    assert (found["state"], found["data_dir"], found["processes"]) == ("unknown", None, [])
    assert found["queues"]["lookup"] == {"waiting": 0, "oldest_seconds": 0.0}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0 s"), (61, "1 min 1 s"), (3600, "1 h"), (90061, "1 d 1 h")],
)
def test_time_spans_have_two_units(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_files_that_stop_updates_are_shown_in_place_of_the_condition() -> None:
    found = example()
    found["index"]["refused"] = ["/data/index/x.segment: move it to another folder"]
    shown = click.unstyle(describe(found))
    assert "not updated: /data/index/x.segment: move it to another folder" in shown
    assert "filling, 2" not in shown


def example() -> dict[str, Any]:
    copy = {
        "condition": "filling",
        "position": 7,
        "database_position": 9,
        "lag": 2,
        "refused": [],
    }
    return {
        "data_dir": "/data",
        "state": "degraded",
        "uptime_seconds": 3600.0,
        "memory_bytes": 700 * 2**20,
        "runs_installed_code": False,
        "processes": [
            {
                "role": "api",
                "pid": 12,
                "port": 5000,
                "memory_bytes": 50 * 2**20,
                "uptime_seconds": 62.0,
            }
        ],
        "queues": {"lookup": {"waiting": 3, "oldest_seconds": 65.0}},
        "submissions": {
            "failed": 4,
            "rejected": 0,
            "pending": 2,
            "imported": 1000,
            "oldest_pending_seconds": 30.0,
        },
        "transient_failures": [{"cause": "database", "count": 1200, "seconds_since_last": 65}],
        "index": {**copy, "lag_seconds": 12.3},
        "store": {**copy, "condition": "ok", "lag": 0},
        "sketch": {
            **copy,
            "condition": "ok",
            "lag": 0,
            "rate": 4,
            "set_rate": 8,
            "bytes": 3 * 2**20,
        },
        "worker_faults": ["lookup-2@there: index missing"],
        "clocks": {"this host": 0.01, "lookup-2@there": -15.04, "beat": 3600.0},
        "catalogue": {"tracks": 1, "fingerprints": 2},
        "musicbrainz": {
            "schema_sequence": 31,
            "replication_sequence": 190_000,
            "replicated": "2026-11-30T06:00:00+00:00",
            "lag_seconds": 7260.0,
            "follows": True,
            "problem": "packet\x1b[2J 190001 is cut",
        },
        "nats": None,
        "redis": {
            "memory_bytes": 3 * 2**20,
            "max_memory_bytes": 4 * 2**20,
            "refuses_writes": "disk",
            "warning": None,
        },
        "disk": {"data_dir_free_bytes": 5 * 2**20, "index_free_bytes": 0},
        "health": {
            "status": "degraded",
            "checks": {"beat": "failed", "redis": "ok"},
            "faults": ["start one beat process"],
        },
        "errors": [
            {
                "time": "2026-11-30T08:00:00+00:00",
                "role": "beat",
                "roles": ["api", "beat"],
                "message": "no\x1b[2J reply",
            }
        ],
        "demo": {"client": "8XaBELgH", "user": "abc"},
    }


def test_the_text_contains_the_values_of_the_json() -> None:
    text = click.unstyle(describe(example()))
    for expected in (
        "ready, with faults; data in /data",
        "up 1 h, 700 MiB of memory",
        "the processes run the code of an earlier installation: run `acoustid down`, then",
        "api      12   50 MiB  1 min 2 s  5000",
        "lookup        3  1 min 5 s",
        "lookup-2@there: index missing",
        "clocks       lookup-2@there -15.0 s, beat +3600.0 s against Redis: synchronize the hosts",
        "filling, 2 changes behind (12 s), position 7",
        "refuses writes (disk), 3 MiB of memory of at most 4 MiB",
        "5 MiB free (data directory), 0 MiB free (index and store)",
        "ok, up to date, position 7",
        "ok, up to date, position 7, 1 of 4 terms, 3 MiB; that with 1 of 8 is being filled",
        "tracks 1, fingerprints 2",
        "musicbrainz  packet 190000, 2 h 1 min behind, stands still: packet?[2J 190001 is cut",
        "failed 4, rejected 0, pending 2, imported 1,000; the oldest pending one is 30 s old",
        "retries      database 1,200 (last 1 min 5 s ago)",
        "  start one beat process",
        "beat failed",
        "api, beat: no?[2J reply",
        "client=8XaBELgH user=abc",
    ):
        assert expected in text


def test_the_lag_of_an_index_that_is_refused_is_shown() -> None:
    found = example()
    refused = {"condition": "lagging", "position": None, "lag": None, "lag_seconds": 75.0}
    found["index"].update(refused)
    assert "lagging, 1 min 15 s behind" in click.unstyle(describe(found))


def test_clocks_that_agree_are_summarized() -> None:
    found = {**example(), "clocks": {"this host": 0.01, "lookup-2@there": -0.34}}
    assert "clocks       within 0.3 s of Redis" in click.unstyle(describe(found))


def make_running(data: DataDir) -> None:
    data.create()
    api = RunningProcess("api", StopOrder.FRONT_END, 5001, "0.0.0.0", NOBODY)  # noqa: S104 - not bound
    RunState(NOBODY, (api,), ready=True).save(data)


def test_up_prints_an_address_that_can_be_opened(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    make_running(data)
    Prepared(Demo("8XaBELgH", "abc")).save(data.prepared)
    text = describe_running(data, shows_password=True)
    assert "http://127.0.0.1:5001\n" in text
    assert "client=8XaBELgH  user=abc" in text
    assert "curl http://127.0.0.1:5001/_health" in text
    assert "Flower" not in text


def test_up_quotes_the_path_in_the_example_command(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path / "my data")
    make_running(data)
    data.demo_lookup.write_text("client=8XaBELgH")
    assert f"--data '@{data.demo_lookup}' http://127.0.0.1:5001/v2/lookup" in describe_running(
        data, shows_password=True
    )


def test_without_demo_keys_none_are_printed(tmp_path: Path) -> None:
    data = DataDir.at(tmp_path)
    make_running(data)
    Prepared().save(data.prepared)
    assert "Keys" not in describe_running(data, shows_password=True)
