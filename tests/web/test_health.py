"""The health paths: their checks, and replies with the names of the checks only."""

import json

from cli.stack.servers.ports import free_port
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport


def test_healthy(web) -> None:
    heartbeats.store(web.redis, WorkerReport("lookup@host"))
    result = web.get("/_health")
    assert result.status_code == 200
    assert result.text == (
        '{"checks": {"database": "ok", "index": "ok", "redis": "ok", "worker": "ok"}, '
        '"status": "ok"}'
    )
    assert result.headers["Content-Type"] == "application/json; charset=UTF-8"


def test_without_a_worker_health_fails(web) -> None:
    result = web.get("/_health")
    assert result.status_code == 503
    assert result.json["status"] == "failed"
    assert result.json["checks"]["worker"] == "failed"


def test_read_only_health_has_fewer_checks(web) -> None:
    result = web.get("/_health_ro")
    assert result.status_code == 200
    assert result.json["checks"] == {"database_ro": "ok", "redis": "ok"}


def test_a_failure_shows_the_name_of_the_check_only(make_web, settings) -> None:
    unreachable = settings.database_ro.model_copy(update={"port": free_port()})
    result = make_web(database_ro=unreachable).get("/_health_ro")
    assert result.status_code == 503
    assert result.json == {
        "checks": {"database_ro": "failed", "redis": "ok"},
        "status": "failed",
    }


def test_liveness_has_no_checks(web) -> None:
    result = web.get("/_health_docker")
    assert (result.status_code, result.text) == (200, '{"checks": {}, "status": "ok"}')


def test_other_methods_slashes_and_formats(web) -> None:
    for method in ("POST", "OPTIONS", "PUT"):
        assert web.http.simulate_request(method, "/_health_docker/").status_code == 200
    result = web.get("/_health_docker", format="xml")
    assert json.loads(result.text)["status"] == "ok"
    assert web.http.simulate_head("/_health_docker").content == b""
