"""The message of lookups is what Celery and kombu would have published."""

import json
import os
import time
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgpack
import pytest
import redis

from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_line import RedisLine
from pipeline.runtime.settings import Settings
from pipeline.runtime.trace import trace
from pipeline.stages.messages import Lookup, LookupBatch, from_message, to_message
from tasks import dispatch, lookup, services
from tasks.celery import app
from tasks.queues import SENT_HEADER
from tasks.signals import TRACE_HEADER
from tests.counting import Counted
from tests.workers import point_celery_at, write_config

# One for each message; of Celery's own both tags are random.
NAMES = {"id", "root_id", "correlation_id", "delivery_tag", "reply_to", SENT_HEADER}


@pytest.fixture
def queue(settings: Settings, tmp_path: Path) -> redis.Redis:
    """Redis, where no worker takes a lookup."""
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    client = connect(settings.redis)
    client.delete("lookup")
    return client


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The metrics of this process."""
    counting = Counted()
    own = replace(services.services(), metrics=counting)
    monkeypatch.setitem(services._by_process, os.getpid(), own)
    return counting


def batch_of(count: int) -> LookupBatch:
    lookups = [Lookup(0, 200 + at, fingerprint=bytes([1, at])) for at in range(count)]
    return LookupBatch("batch", "reply", time.time() + 30, ["recordings"], lookups)


def published(queue: redis.Redis) -> dict[str, Any]:
    [message] = cast("list[bytes]", queue.lrange("lookup", 0, -1))
    queue.delete("lookup")
    return json.loads(message)


def carried(message: dict[str, Any]) -> LookupBatch:
    [batch], _, _ = msgpack.unpackb(b64decode(message["body"]))
    return from_message(LookupBatch, batch)


def test_it_is_what_celery_publishes(queue: redis.Redis) -> None:
    batch = batch_of(3)
    with trace() as trace_id:
        dispatch.send_lookups(RedisLine(queue), batch)
        ours = published(queue)
        chain = [dict(stage.s()) for stage in (lookup.describe, lookup.score, lookup.dedupe)]
        made = app.amqp.create_task_message(
            "made", lookup.validate.name, (to_message(batch),), chain=chain, ignore_result=True
        )
        with app.amqp.producer_pool.acquire(block=True) as producer:
            app.amqp.send_task_message(producer, lookup.validate.name, made, queue="lookup")
    theirs = published(queue)
    assert b64decode(ours.pop("body")) == b64decode(theirs.pop("body"))
    assert ours["headers"][TRACE_HEADER] == trace_id
    for part in ("headers", "properties"):
        names = {name for name in ours[part] if name in NAMES}
        assert all(ours[part][name] != theirs[part][name] for name in names - {"reply_to"})
        for message in (ours, theirs):
            message[part] = {k: v for k, v in message[part].items() if k not in NAMES}
    shown = ours["headers"].pop("argsrepr")
    assert shown == "(3 lookups: validate → dedupe → score → describe)"
    theirs["headers"].pop("argsrepr")
    assert ours == theirs


def test_each_has_a_name_and_contents_of_its_own(queue: redis.Redis) -> None:
    line, seen = RedisLine(queue), []
    for count in (1, 2, 30):
        dispatch.send_lookups(line, batch_of(count))
        seen.append(published(queue))
    assert len({message["headers"]["id"] for message in seen}) == 3
    assert len({message["headers"][TRACE_HEADER] for message in seen}) == 3
    assert [len(carried(message).lookups) for message in seen] == [1, 2, 30]


def test_marks_among_the_contents_are_left_alone(queue: redis.Redis) -> None:
    batch = batch_of(1)
    batch.reply_to = batch.metas[0] = "<id> <trace> <count> <body>"
    dispatch.send_lookups(RedisLine(queue), batch)
    assert carried(published(queue)) == batch


def test_what_is_published_is_counted(queue: redis.Redis, counted: Counted) -> None:
    dispatch.send_lookups(RedisLine(queue), batch_of(2))
    dispatch.send_submissions([1, 2])
    queue.delete("lookup", "submission")
    assert counted.counts == {
        "tasks_enqueued_total.lookup_validate": 1,
        "tasks_enqueued_total.submission_validate": 1,
    }
