"""Records of background lookups. A task that is delivered twice changes and counts nothing."""

import json
from collections.abc import Iterator

import pytest
import redis

from pipeline.settings.sections import Settings
from tasks.redis_state import background_records
from tasks.redis_state.background_records import (
    ATTEMPTS,
    KEPT,
    begin,
    create,
    fail,
    find,
    finish,
    key_of,
    withdraw,
)
from tests.support.processes.scratch_redis import scratch_redis

ANSWERS = [{"results": []}, {"error": "it is short"}]
COUNTS = {"2026-01-01:00:7:hit": 2, "2026-01-01:00:7:miss": 1}


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


def counted(client: redis.Redis) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in client.hgetall("lookups").items()}


def test_a_record_holds_the_plan_and_the_answers(client) -> None:
    create(client, "a", "the plan")
    assert begin(client, "a")
    assert finish(client, "a", ANSWERS, COUNTS)
    record = find(client, "a")
    assert record is not None
    assert (record["state"], record["plan"]) == ("finished", "the plan")
    assert json.loads(record["answers"]) == ANSWERS
    assert counted(client) == COUNTS


def test_a_finished_record_is_not_changed(client) -> None:
    create(client, "a", "")
    begin(client, "a")
    finish(client, "a", ANSWERS, COUNTS)
    before = find(client, "a")
    assert not begin(client, "a")
    assert not finish(client, "a", [], COUNTS)
    assert not fail(client, "a", "internal error")
    assert find(client, "a") == before
    assert counted(client) == COUNTS


def test_two_workers_with_the_same_lookup_count_it_once(client) -> None:
    create(client, "a", "")
    assert begin(client, "a")
    started = find(client, "a")
    assert begin(client, "a")
    assert started is not None
    assert find(client, "a") == {**started, "attempts": "2"}
    assert finish(client, "a", ANSWERS, COUNTS)
    assert not finish(client, "a", ANSWERS, COUNTS)
    assert counted(client) == COUNTS


def test_without_a_record_nothing_is_written(client) -> None:
    create(client, "a", "")
    withdraw(client, "a")
    assert not begin(client, "a")
    assert not finish(client, "a", ANSWERS, COUNTS)
    assert not fail(client, "a", "internal error")
    assert client.keys() == []


def test_a_record_expires_after_the_request_and_later_after_the_end(client) -> None:
    create(client, "a", "")
    assert 0 < client.ttl(key_of("a")) <= KEPT
    client.expire(key_of("a"), 100)
    begin(client, "a")
    assert client.ttl(key_of("a")) <= 100
    finish(client, "a", ANSWERS, {})
    assert 100 < client.ttl(key_of("a")) <= background_records.KEPT
    create(client, "b", "")
    client.expire(key_of("b"), 100)
    fail(client, "b", "internal error")
    assert client.ttl(key_of("b")) > 100


def test_a_malformed_counter_does_not_prevent_the_answer(client) -> None:
    client.hset("lookups", "2026-01-01:00:7:hit", "x")
    create(client, "a", "")
    assert finish(client, "a", ANSWERS, COUNTS)
    assert client.hget("lookups", "2026-01-01:00:7:miss") == b"1"


def test_a_lookup_fails_after_too_many_attempts(client) -> None:
    create(client, "a", "")
    for _ in range(ATTEMPTS):
        assert begin(client, "a")
    assert not begin(client, "a")
    record = find(client, "a")
    assert record is not None
    assert record["state"] == "failed"
    assert "attempts" in record["reason"]
