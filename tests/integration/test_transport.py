"""Celery's way to Redis: a client is made once, and only what may be lost is kept twice."""

from pathlib import Path

import pytest

from pipeline.runtime.redis_client import connect
from pipeline.runtime.settings import Settings
from tasks.celery import app
from tasks.transport import Channel
from tests.workers import point_celery_at, write_config


def test_a_channel_keeps_its_client(settings: Settings, tmp_path: Path) -> None:
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        assert isinstance(channel, Channel)
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()


@pytest.mark.parametrize(("queue", "kept"), [("lookup", 0), ("submission", 1)])
def test_a_message_is_kept_until_its_end_but_of_lookups(
    settings: Settings, tmp_path: Path, queue: str, kept: int
) -> None:
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    redis = connect(settings.redis)
    received = []
    with app.connection_for_write() as connection:
        with app.amqp.Producer(connection) as producer:
            producer.publish({"a": 1}, routing_key=queue, serializer="json")
        consumer = app.amqp.TaskConsumer(
            connection.default_channel, queues=[app.amqp.queues[queue]], accept=["json"]
        )
        consumer.register_callback(lambda _, message: received.append(message))
        with consumer:
            while not received:
                connection.drain_events(timeout=10)
            assert redis.hlen("unacked") == redis.zcard("unacked_index") == kept
            [message] = received
            message.ack()
            assert redis.hlen("unacked") == redis.zcard("unacked_index") == redis.llen(queue) == 0
