"""A queue is stuck if its next message stays the same, however long the queue is."""

from collections.abc import Iterator

import pytest
import redis

from api.health.queue_progress import STUCK_AFTER, QueueProgress
from pipeline.settings.sections import Settings
from tests.support.clock import Clock
from tests.support.processes.scratch_redis import scratch_redis


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with scratch_redis(settings) as client:
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def progress(client: redis.Redis, clock: Clock) -> QueueProgress:
    return QueueProgress(client, clock)


def names(progress: QueueProgress) -> list[tuple[str, int]]:
    return [(each.name, each.messages) for each in progress.stuck()]


def test_a_queue_is_stuck_while_its_next_message_stays(
    client: redis.Redis, progress: QueueProgress, clock: Clock
) -> None:
    client.lpush("submission", "first", "second")
    assert names(progress) == []
    clock.now += STUCK_AFTER - 1.0
    client.lpush("submission", "third")
    assert names(progress) == []
    clock.now += 1.0
    assert names(progress) == [("submission", 3)]
    client.rpop("submission")
    assert names(progress) == []


def test_a_long_queue_that_gets_shorter_is_not_stuck(
    client: redis.Redis, progress: QueueProgress, clock: Clock
) -> None:
    client.lpush("lookup", *range(20))
    for _ in range(10):
        assert names(progress) == []
        clock.now += STUCK_AFTER - 1.0
        client.rpop("lookup")
        client.lpush("lookup", clock.now, clock.now + 0.5)


def test_a_queue_that_was_empty_meanwhile_is_not_stuck(
    client: redis.Redis, progress: QueueProgress, clock: Clock
) -> None:
    for _ in range(3):
        client.lpush("index", "same")
        assert names(progress) == []
        client.delete("index")
        assert names(progress) == []
        clock.now += STUCK_AFTER
