"""The number of waiting messages and the age of the oldest one."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pipeline.messages import LookupBatch
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import Settings
from tasks import dispatch
from tasks.redis_state.queue_lengths import Backlog, backlog
from tests.support.processes.workers import point_celery_at, write_config


@pytest.fixture
def client(settings: Settings, tmp_path: Path) -> Iterator[redis.Redis]:
    """A client of Redis without workers."""
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    client = connect(settings.redis)
    client.delete("lookup", "submission")
    yield client
    client.delete("lookup", "submission")


def test_an_empty_queue_has_no_age(client: redis.Redis) -> None:
    assert backlog(client, "lookup") == Backlog(0, 0.0)


@pytest.mark.parametrize("queue", ["lookup", "submission"])
def test_the_age_is_that_of_the_oldest_message(client: redis.Redis, queue: str) -> None:
    before = time.time()
    for _ in range(3):
        if queue == "lookup":
            dispatch.send_lookups(LookupBatch("b", "r", before, [], []))
        else:
            dispatch.send_submissions([1])
        time.sleep(0.1)
    found = backlog(client, queue)
    assert found.messages == 3
    assert 0.25 <= found.age <= time.time() - before + 0.05


@pytest.mark.parametrize("message", [b"no JSON", b"[]", b'{"headers": {}}'])
def test_a_message_without_the_header_has_no_age(client: redis.Redis, message: bytes) -> None:
    client.lpush("lookup", message)
    assert backlog(client, "lookup") == Backlog(1, 0.0)
