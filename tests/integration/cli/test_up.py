"""`acoustid up`, `status` and `down` on an empty directory, with real processes."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import psycopg2
import pytest

from cli.sample.recordings import DEMO_TITLE, sample_recordings
from cli.stack.data_directory import DataDir
from cli.stack.servers import postgres_directory
from cli.stack.servers.ports import free_port, is_free
from cli.stack.stack_record import StackRecord
from tests.support.polling import eventually
from tests.support.processes.whole_stack import acoustid

ROLES = {
    "supervisor",
    "postgres",
    "valkey",
    "worker-lookup-1",
    "worker-submission",
    "worker-index",
    "beat",
    "api",
    "flower",
}

State = dict[str, Any]


def up(data: DataDir) -> subprocess.CompletedProcess[str]:
    options = ("--detach", "--workers", "1", "--port", "0")
    return acoustid("up", *options, "--flower-port", str(free_port()), data=data)


def status(data: DataDir) -> State:
    answer = acoustid("status", "--json", "--show-passwords", data=data)
    assert answer.returncode == 0, answer.stderr
    found: State = json.loads(answer.stdout)
    return found


def port(state: State, role: str) -> int:
    return next(int(each["port"]) for each in state["processes"] if each["role"] == role)


def pids(state: State) -> list[int]:
    return [each["pid"] for each in state["processes"]]


def living(processes: list[int]) -> list[int]:
    return [
        pid
        for pid in processes
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataDir]:
    """A temporary data directory below one that only its owner can enter."""
    closed = tmp_path_factory.mktemp("closed")
    closed.chmod(0o700)
    made = DataDir.at(closed / "data")
    yield made
    acoustid("down", data=made)
    postgres_directory.delete_external(made.root)


@pytest.fixture(scope="module")
def answered(data: DataDir) -> subprocess.CompletedProcess[str]:
    """The result of `acoustid up --detach`."""
    answer = up(data)
    assert answer.returncode == 0, answer.stderr
    return answer


@pytest.fixture(scope="module")
def started(answered: subprocess.CompletedProcess[str]) -> str:
    """Its standard output."""
    return answered.stdout


@pytest.fixture(scope="module")
def state(started: str, data: DataDir) -> State:
    """The output of `acoustid status --json`."""
    del started
    return status(data)


def test_up_prints_addresses_and_keys(started: str, state: State) -> None:
    assert f"http://127.0.0.1:{port(state, 'api')}" in started
    assert f"http://127.0.0.1:{port(state, 'flower')}" in started
    assert f"client={state['demo']['client']}  user={state['demo']['user']}" in started
    assert "password in `acoustid status --json --show-passwords`" in started


def test_up_prints_its_progress_as_messages(
    answered: subprocess.CompletedProcess[str],
) -> None:
    steps = ["postgres answers", "preparing the databases", "starting the API", "ready"]
    found = [answered.stderr.find(step) for step in steps]
    assert found == sorted(found)
    assert found[0] > 0


def test_the_printed_example_command_works(started: str) -> None:
    command = started.split("Try it:", 1)[1].strip()
    answer = subprocess.run(
        ["/bin/sh", "-c", command], check=True, capture_output=True, text=True, timeout=60
    )
    (result,) = json.loads(answer.stdout)["results"]
    assert result["recordings"][0]["title"] == DEMO_TITLE


def test_status_shows_every_process(state: State) -> None:
    assert {each["role"] for each in state["processes"]} == ROLES
    assert living(pids(state)) == pids(state)
    assert state["ready"]
    assert state["state"] == "ready"


def test_the_title_of_a_worker_is_its_node(state: State) -> None:
    """`ps` would show the supervisor's command line for a forked process."""
    titles = {each["role"]: psutil.Process(each["pid"]).cmdline() for each in state["processes"]}
    assert "lookup-1@" in " ".join(titles["worker-lookup-1"])
    assert "beat" in " ".join(titles["beat"])
    assert "flower" in " ".join(titles["flower"])
    assert "api" in " ".join(titles["api"])


def test_workers_and_front_end_log_where_their_data_is(started: str, data: DataDir) -> None:
    del started
    for role in ("worker-lookup-1", "worker-submission", "worker-index", "api"):
        assert f"index={data.index} store={data.store}" in data.log(role).read_text()


def test_status_shows_queues_positions_and_counts(state: State, data: DataDir) -> None:
    assert set(state["queues"]) == {"lookup", "background", "submission", "index", "maintenance"}
    assert all(queue["waiting"] >= 0 for queue in state["queues"].values())
    size = len(sample_recordings())
    complete = {
        "condition": "ok",
        "position": size,
        "database_position": size,
        "lag": 0,
        "refused": [],
    }
    # Workers report their positions every 2 s.
    for part in ("index", "store"):
        assert eventually(lambda part=part: status(data)[part].items() >= complete.items())
    assert state["catalogue"] == {"tracks": size, "fingerprints": size}
    assert state["submissions"] == {
        "failed": 0,
        "rejected": 0,
        "pending": 0,
        "imported": size,
        "oldest_pending_seconds": None,
    }


def test_status_shows_memory_and_running_time(state: State) -> None:
    for process in state["processes"]:
        assert process["memory_bytes"] > 2**20, process
        assert 0 < process["uptime_seconds"] < 600, process
    total = sum(process["memory_bytes"] for process in state["processes"])
    assert state["memory_bytes"] == total


def test_every_health_check_succeeds(state: State, data: DataDir) -> None:
    """The workers serve every queue, and beat publishes."""
    health = eventually(lambda: (found := status(data)["health"])["status"] == "ok" and found)
    assert health["faults"] == []
    assert "failed" not in health["checks"].values()
    assert {"beat", *(f"worker_{queue}" for queue in state["queues"])} <= set(health["checks"])


def test_status_has_urls_of_the_databases(state: State) -> None:
    for name in ("app", "ingest", "fingerprint", "musicbrainz"):
        psycopg2.connect(state["databases"][name]).close()


def test_flower_requires_the_password(state: State, data: DataDir) -> None:
    url = f"http://127.0.0.1:{port(state, 'flower')}/"
    with pytest.raises(HTTPError, match="401"):
        urlopen(url, timeout=30)
    login = f"acoustid:{StackRecord.load(data).flower_password}".encode()
    headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
    with urlopen(Request(url, headers=headers), timeout=30) as answer:
        assert answer.status == 200


def test_no_command_line_contains_a_secret(state: State, data: DataDir) -> None:
    record = StackRecord.load(data)
    secrets = (record.postgres_password, record.valkey_password, record.flower_password)
    commands = [" ".join(psutil.Process(pid).cmdline()) for pid in pids(state)]
    assert not [command for command in commands for secret in secrets if secret in command]


def test_every_process_has_a_log_without_secrets(state: State, data: DataDir) -> None:
    record = StackRecord.load(data)
    secrets = (record.postgres_password, record.valkey_password, record.flower_password)
    for role in (each["role"] for each in state["processes"]):
        log = data.log(role).read_text()
        assert log
        assert not [secret for secret in secrets if secret in log]
    assert "ready to accept connections" in data.log("postgres").read_text()
    assert "Ready to accept connections" in data.log("valkey").read_text()
    assert data.log("log-writer").read_text() == ""


def test_a_second_stack_on_the_same_data_is_refused(state: State, data: DataDir) -> None:
    answer = up(data)
    assert answer.returncode == 1
    assert f"already (pid {pids(state)[0]})" in answer.stderr
    assert living(pids(state)) == pids(state)


def test_the_error_names_the_stack_that_uses_a_port(
    state: State, data: DataDir, tmp_path: Path
) -> None:
    taken = port(state, "api")
    other = DataDir.at(tmp_path / "other")
    answer = acoustid("up", "--port", str(taken), "--flower-port", "0", data=other)
    assert answer.returncode == 1
    assert f"port {taken} of 127.0.0.1 is taken by " in answer.stderr
    assert f"api of the stack in {data.root})" in answer.stderr
    postgres_directory.delete_external(other.root)


def test_a_killed_stack_restarts_with_its_data_and_stops_cleanly(
    state: State, data: DataDir
) -> None:
    """The last test of this file, since it stops the stack of the others."""
    os.kill(pids(state)[0], signal.SIGKILL)
    eventually(lambda: not living(pids(state)))
    assert up(data).returncode == 0
    again = status(data)
    assert again["demo"] == state["demo"]
    assert again["catalogue"] == state["catalogue"]
    assert again["submissions"] == state["submissions"]
    assert {each["role"] for each in again["processes"]} == ROLES
    answer = acoustid("down", data=data)
    assert answer.returncode == 0
    assert "has stopped" in answer.stdout
    assert living(pids(again)) == []
    assert is_free(port(again, "api"))
    assert acoustid("status", data=data).returncode == 3
