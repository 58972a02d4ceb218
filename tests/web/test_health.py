"""The health paths: grades and replies, which contain no exception."""

import json
from typing import Any

import pytest

from cli.stack.servers.ports import free_port
from pipeline.lookups.condition import Condition
from tasks import queues
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tests.support.clients.web_client import Web


def run_workers(web: Web) -> None:
    """Leave the heartbeats of a worker that serves every queue, and of beat."""
    report = WorkerReport("all@secret-host", queues.NAMES, Condition.OK, Condition.OK)
    heartbeats.store(web.redis, report)
    heartbeats.store_beat(web.redis)


def closed(settings, section: str) -> dict[str, Any]:
    port = {"port": free_port()}
    return {
        name: getattr(settings, name).model_copy(update=port) for name in (section, f"{section}_ro")
    }


def test_healthy(web) -> None:
    run_workers(web)
    result = web.get("/_health")
    assert result.status_code == 200
    assert set(result.json) == {"status", "checks", "faults"}
    assert (result.json["status"], result.json["faults"]) == ("ok", [])
    assert set(result.json["checks"].values()) == {"ok"}
    assert result.headers["Content-Type"] == "application/json; charset=UTF-8"


def test_the_names_of_earlier_versions_are_in_the_reply(web) -> None:
    run_workers(web)
    assert {"database", "redis", "index", "worker"} <= set(web.get("/_health").json["checks"])
    assert {"database_ro", "redis"} <= set(web.get("/_health_ro").json["checks"])


def test_without_a_worker_submissions_are_still_received(web) -> None:
    result = web.get("/_health")
    assert (result.status_code, result.json["status"]) == (200, "degraded")
    assert result.json["checks"]["worker"] == "failed"
    assert any("start the workers" in line for line in result.json["faults"])
    lookups = web.get("/_health_ro")
    assert (lookups.status_code, lookups.json["status"]) == (503, "error")


def test_a_front_end_that_serves_nothing(make_web, settings) -> None:
    broken = make_web(**closed(settings, "database_ingest"))
    result = broken.get("/_health")  # no worker and no place for submissions
    assert (result.status_code, result.json["status"]) == (503, "error")


@pytest.mark.parametrize("section", ["database_fingerprint", "database_musicbrainz"])
def test_a_fault_has_a_line_without_an_exception(make_web, settings, section) -> None:
    broken = make_web(**closed(settings, section))
    run_workers(broken)
    result = broken.get("/_health")
    assert (result.status_code, result.json["status"]) == (200, "degraded")
    name = section.removeprefix("database_")
    assert any(f"the database {name}" in line for line in result.json["faults"])
    for secret in ("secret-host", "127.0.0.1", "Error", "psycopg2", "test-password"):
        assert secret not in result.text


def test_a_front_end_that_is_stopping_fails_its_checks_and_serves(web) -> None:
    run_workers(web)
    assert web.get("/_health_ro").status_code == 200
    web.front_end.health.stop()
    for path in ("/_health", "/_health_ro"):
        result = web.get(path)
        assert (result.status_code, result.json["status"]) == (503, "error")
        assert "stopping" in result.json["faults"][0]
    assert web.get("/_health_docker").status_code == 200
    assert web.lookup(fingerprint="AQAAAQcZ", duration=241).status_code == 200


def test_liveness_has_no_checks(web) -> None:
    result = web.get("/_health_docker")
    assert result.status_code == 200
    assert result.text == '{"checks": {}, "faults": [], "status": "ok"}'


def test_other_methods_slashes_and_formats(web) -> None:
    for method in ("POST", "OPTIONS", "PUT"):
        assert web.http.simulate_request(method, "/_health_docker/").status_code == 200
    result = web.get("/_health_docker", format="xml")
    assert json.loads(result.text)["status"] == "ok"
    assert web.http.simulate_head("/_health_docker").content == b""
