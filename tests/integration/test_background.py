"""Lookups that nobody waits for: their records in Redis, from the first to the last."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import structlog

from api import background
from api.background import BackgroundLookups
from api.errors import InvalidDurationError, ServiceUnavailableError
from cli.servers.ports import free_port
from pipeline.runtime.redis_client import connect
from pipeline.runtime.settings import RedisSettings, Settings
from pipeline.runtime.trace import current_trace_id, trace
from tests.scratch_redis import scratch_redis


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def lookups(client: redis.Redis) -> Iterator[BackgroundLookups]:
    lookups = BackgroundLookups(client, timeout=30)
    yield lookups
    lookups.close()


def ended(lookups: BackgroundLookups, task_id: str) -> dict[str, Any]:
    """Wait until a lookup has ended, and return its record."""
    pause = threading.Event()
    while True:
        record = lookups.find(task_id)
        assert record is not None
        if "finished" in record:
            return record
        pause.wait(0.01)


def test_a_lookup_ends_with_its_result(lookups, client) -> None:
    task_id = lookups.start(lambda: {"results": [{"score": 1.0}]})
    record = ended(lookups, task_id)
    assert record["state"] == "finished"
    assert record["result"] == {"results": [{"score": 1.0}]}
    assert record["created"] <= record["started"] <= record["finished"]
    assert 0 < client.ttl(f"lookup:task:{task_id}") <= background.KEPT


def test_a_lookup_is_seen_while_it_runs(lookups) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> dict[str, Any]:
        begun.set()
        assert go_on.wait(30)
        return {}

    task_id = lookups.start(work)
    assert begun.wait(30)
    record = lookups.find(task_id)
    assert record is not None
    assert record["state"] == "running"
    go_on.set()
    assert ended(lookups, task_id)["state"] == "finished"


def fail(error: Exception) -> Callable[[], dict[str, Any]]:
    def work() -> dict[str, Any]:
        raise error

    return work


def test_a_lookup_that_fails_says_why_but_not_too_much(lookups) -> None:
    record = ended(lookups, lookups.start(fail(InvalidDurationError("duration"))))
    assert record["state"] == "failed"
    assert record["reason"].startswith('parameter "duration" must be')
    with structlog.testing.capture_logs() as logs:
        record = ended(lookups, lookups.start(fail(KeyError("password=hunter2"))))
    assert record["reason"] == "internal error"
    assert [entry["log_level"] for entry in logs] == ["error"]


def test_a_lookup_whose_process_died_has_failed(lookups, client) -> None:
    record = {"state": "running", "created": "2026-01-01", "started": "2026-01-01", "asked": 0}
    client.set("lookup:task:x", json.dumps(record))
    found = lookups.find("x")
    assert found is not None
    assert found["state"] == "failed"
    assert "stopped" in found["reason"]


def test_nobody_knows_other_tasks(lookups) -> None:
    assert lookups.find("nothing") is None


def test_the_trace_goes_on_in_the_background(lookups) -> None:
    with trace("REQUEST"):
        task_id = lookups.start(lambda: {"trace": current_trace_id()})
    assert ended(lookups, task_id)["result"] == {"trace": "REQUEST"}


def test_there_may_be_so_many_at_once(lookups) -> None:
    go_on = threading.Event()
    started = [lookups.start(lambda: {"done": go_on.wait(30)}) for _ in range(background.MOST)]
    with pytest.raises(ServiceUnavailableError):
        lookups.start(dict)
    go_on.set()
    for task_id in started:
        assert ended(lookups, task_id)["state"] == "finished"


def test_without_redis_no_lookup_is_begun() -> None:
    with connect(RedisSettings(host="127.0.0.1", port=free_port())) as away:
        lookups = BackgroundLookups(away, timeout=1)
        for _ in range(2):
            with pytest.raises(ServiceUnavailableError):
                lookups.start(dict)


def test_after_the_end_none_is_begun(lookups) -> None:
    ended(lookups, lookups.start(dict))
    lookups.close()
    with pytest.raises(ServiceUnavailableError):
        lookups.start(dict)
