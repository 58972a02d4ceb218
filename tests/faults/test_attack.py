"""Hostile clients stop neither the web service nor the index server for anybody else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cli.sample.recordings import demo_lookup
from cli.stack.data_directory import DataDir
from cli.stack.run_state import RunState
from tests.support.clients.under_attack import FORM, CheckedRequest, Outcome, attacked
from tests.support.processes.index_server import running_index_server
from tests.support.processes.servers import temporary_folder
from tests.support.processes.whole_stack import WholeStack, running_stack

MOST_MEMORY = 800e6
"""Bytes that a server's process may hold, its idle 150 to 250 MB included."""


@pytest.fixture(scope="module")
def stack() -> Iterator[WholeStack]:
    """A whole stack with the sample catalogue."""
    with (
        temporary_folder() as folder,
        running_stack(DataDir.at(folder / "data"), WholeStack, sample=True) as started,
    ):
        yield started


def check(outcome: Outcome) -> None:
    """Check what other clients saw, and that there was an attack at all."""
    print(outcome.show())  # noqa: T201 - pytest shows it with -s, and when it fails
    assert outcome.quiet.wrong == []
    assert outcome.attacked.wrong == []
    assert outcome.attacked.p99() <= max(1.0, 2 * outcome.quiet.p99())
    assert outcome.memory < MOST_MEMORY
    kinds = {"slow_body", "half_headers", "unread_reply", "pipelined", "idle"}
    assert all(outcome.attackers[kind] >= 200 for kind in kinds)


def is_found(status: int, body: bytes) -> bool:
    return status == 200 and bool(json.loads(body)["results"])


def is_ok(status: int, _body: bytes) -> bool:
    return status == 200


def test_the_web_service_goes_on(stack: WholeStack, pytestconfig: pytest.Config) -> None:
    lookup = CheckedRequest("POST", "/v2/lookup", is_found, demo_lookup(), FORM)
    health = CheckedRequest("GET", "/_health", is_ok)
    alive = CheckedRequest("GET", "/_health_docker", is_ok)
    state = RunState.load(stack.data)
    front_end = state.find("api") if state else None
    assert front_end
    outcome = attacked(
        stack.port("api"),
        front_end.identity.pid,
        [lookup, lookup, health, alive],
        pytestconfig.getoption("--attack-seconds"),
        "/v2/openapi.json",
    )
    check(outcome)


def test_the_index_server_goes_on(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    with running_index_server(tmp_path / "server") as server:
        address = f"http://127.0.0.1:{server.port}"
        requests.put(f"{address}/main", timeout=30).raise_for_status()
        for first in range(0, 20_000, 2_000):
            changes = [
                {"insert": {"id": number + 1, "hashes": [10**6 + number, *range(100)]}}
                for number in range(first, first + 2_000)
            ]
            requests.post(
                f"{address}/main/_update", json={"changes": changes}, timeout=30
            ).raise_for_status()
        search = CheckedRequest(
            "POST",
            "/main/_search",
            lambda status, body: status == 200 and b'"id":78,' in body,
            json.dumps({"query": [10**6 + 77]}),
            {"Content-Type": "application/json"},
        )
        health = CheckedRequest("GET", "/_health", is_ok)
        outcome = attacked(
            server.port,
            server.pid,
            [search, search, health],
            pytestconfig.getoption("--attack-seconds"),
            "/main/_snapshot",
        )
        check(outcome)
