"""Batches that a front end publishes arrive. If they can't, the sender fails soon."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from cli.stack.servers.ports import LOOPBACK
from cli.stack.servers.valkey import ValkeyServer
from pipeline.messages import Lookup, LookupBatch, from_message
from pipeline.runtime.redis_client import connect
from pipeline.runtime.trace import trace
from pipeline.settings.sections import RedisSettings, Settings
from tasks import dispatch, task_names
from tasks.application import app
from tasks.fast_path.lookup_sender import LookupSender
from tasks.fast_path.switches import FastPath
from tasks.queues import LOOKUP
from tasks.redis_state.queue_lengths import SENT_HEADER
from tasks.signals import every_process
from tasks.signals.every_process import TRACE_HEADER
from tests.support.metrics import Counted
from tests.support.processes.servers import PASSWORD, Servers, make_valkey, running
from tests.support.processes.workers import point_celery_at, write_config

SOON = 4.0
"""Seconds within which an outage is reported, on a busy machine."""


@pytest.fixture
def queue(settings: Settings, tmp_path: Path) -> Iterator[redis.Redis]:
    """A client of Redis without workers."""
    point_celery_at(write_config(settings, tmp_path / "acoustid.conf"), settings)
    client = connect(settings.redis)
    client.delete(LOOKUP)
    yield client
    client.delete(LOOKUP)


@pytest.fixture(params=["kept", "pooled", "chain"])
def sender(request: pytest.FixtureRequest, settings: Settings) -> LookupSender:
    """A sender with a kept producer, with Celery's pool, and of chains."""
    options = {"kept": {}, "pooled": {"keep_producer": False}, "chain": {"fast_path": False}}
    celery = settings.celery.model_copy(update=options[request.param])
    return LookupSender(FastPath.of(settings.model_copy(update={"celery": celery})))


@pytest.fixture
def kept(settings: Settings) -> LookupSender:
    return LookupSender(FastPath.of(settings))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The metrics of published tasks in this process."""
    counting = Counted()
    monkeypatch.setattr(every_process, "publisher_metrics", lambda: counting)
    return counting


@pytest.fixture
def broker(servers: Servers, settings: Settings) -> Iterator[ValkeyServer]:
    """A broker for one test, not started yet; Celery is configured to use it."""
    valkey = make_valkey(servers.folder / "producer")
    valkey.log.parent.mkdir(exist_ok=True)
    app.conf.update(broker_url=of(valkey).url())
    yield valkey
    app.conf.update(broker_url=settings.redis.url())


def of(valkey: ValkeyServer) -> RedisSettings:
    return RedisSettings.model_validate(
        {"host": LOOPBACK, "port": valkey.port, "password": PASSWORD}
    )


def batch_of(count: int) -> LookupBatch:
    lookups = [Lookup(0, 200 + at, fingerprint=bytes([1, at])) for at in range(count)]
    return LookupBatch("batch", "reply", time.time() + 30, ["recordings"], lookups)


def published(queue: redis.Redis) -> Any:
    """Return the only message in the queue, as a worker receives it."""
    assert queue.llen(LOOKUP) == 1
    with app.connection_for_read() as connection:
        return app.amqp.queues[LOOKUP](connection.default_channel).get(
            no_ack=True, accept=app.conf.accept_content
        )


def test_a_batch_arrives_with_its_trace_and_time(queue: redis.Redis, sender: LookupSender) -> None:
    batch, before = batch_of(3), time.time()
    with trace() as trace_id:
        sender.send(batch)
    message = published(queue)
    [carried], kwargs, _ = message.decode()
    assert from_message(LookupBatch, carried) == batch
    assert kwargs == {}
    assert message.headers[TRACE_HEADER] == trace_id
    assert before - 0.1 <= message.headers[SENT_HEADER] <= time.time() + 0.1
    assert "3" in message.headers["argsrepr"]


def test_each_message_has_its_own_id_and_trace_id(queue: redis.Redis, kept: LookupSender) -> None:
    seen = []
    for count in (1, 2, 30):
        kept.send(batch_of(count))
        seen.append(published(queue))
    assert len({message.headers["id"] for message in seen}) == 3
    assert len({message.headers[TRACE_HEADER] for message in seen}) == 3
    assert [message.headers["argsrepr"] for message in seen] == [
        f"({count} lookups)" for count in (1, 2, 30)
    ]


def test_one_batch_per_second_is_sent_with_events(queue: redis.Redis, settings: Settings) -> None:
    now = [0.0]
    sender, names = LookupSender(FastPath.of(settings), clock=lambda: now[0]), []
    for moment in (0.0, 0.1, 0.9, 1.0, 1.5, 7.0, 7.9):
        now[0] = moment
        sender.send(batch_of(1))
        names.append(published(queue).headers["task"])
    shown, silent = task_names.LOOKUP.sampled_batch, task_names.LOOKUP.batch
    assert names == [shown, silent, silent, shown, silent, shown, silent]


def test_published_tasks_are_counted(
    queue: redis.Redis, kept: LookupSender, counted: Counted
) -> None:
    del queue
    kept.send(batch_of(2))
    kept.send(batch_of(2))
    assert counted.counts == {
        "tasks_enqueued_total.lookup_sampled_batch": 1,
        "tasks_enqueued_total.lookup_batch": 1,
    }


def test_both_batches_arrive_after_a_restart_of_the_broker(
    broker: ValkeyServer, kept: LookupSender
) -> None:
    for _ in range(2):
        with running(broker):
            client = connect(of(broker))
            client.delete(LOOKUP)
            kept.send(batch_of(1))
            assert client.llen(LOOKUP) == 1


def test_a_connection_closed_by_the_broker_is_replaced(
    queue: redis.Redis, kept: LookupSender
) -> None:
    kept.send(batch_of(1))
    queue.client_kill_filter(_type="normal", skipme=True)
    kept.send(batch_of(1))
    assert queue.llen(LOOKUP) == 2


def fails_soon(send: Callable[[], None]) -> None:
    begun = time.monotonic()
    with pytest.raises(OperationalError):
        send()
    assert time.monotonic() - begun < SOON


def test_an_unavailable_broker_is_reported_soon(broker: ValkeyServer, kept: LookupSender) -> None:
    fails_soon(lambda: kept.send(batch_of(1)))
    with running(broker):
        kept.send(batch_of(1))
    fails_soon(lambda: kept.send(batch_of(1)))


def test_a_broker_without_replies_is_reported_soon(
    broker: ValkeyServer, kept: LookupSender
) -> None:
    with running(broker):
        client = connect(of(broker))
        kept.send(batch_of(1))
        process = int(client.info("server")["process_id"])
        os.kill(process, signal.SIGSTOP)
        try:
            fails_soon(lambda: kept.send(batch_of(1)))
            fails_soon(lambda: kept.send(batch_of(1)))  # on a new connection
        finally:
            os.kill(process, signal.SIGCONT)
        kept.send(batch_of(1))


def test_a_full_broker_is_reported(broker: ValkeyServer, kept: LookupSender) -> None:
    with running(broker):
        client = connect(of(broker))
        client.config_set("maxmemory", 1)
        fails_soon(lambda: kept.send(batch_of(1)))
        client.config_set("maxmemory", 0)
        kept.send(batch_of(1))
        assert client.llen(LOOKUP) == 1


def test_the_chain_has_the_four_stages(queue: redis.Redis, settings: Settings) -> None:
    celery = settings.celery.model_copy(update={"fast_path": False})
    LookupSender(FastPath.of(settings.model_copy(update={"celery": celery}))).send(batch_of(1))
    message = published(queue)
    _, _, embedded = message.decode()
    following = [each["task"] for each in reversed(embedded["chain"])]
    assert [message.headers["task"], *following] == list(task_names.LOOKUP.stages)


def test_excerpts_have_tasks_of_their_own(queue: redis.Redis, settings: Settings) -> None:
    """Without a queue of their own they are in the queue of lookups."""
    sender = dispatch.excerpt_sender(settings)
    names = []
    for _ in range(2):
        sender.send(batch_of(1))
        names.append(published(queue).headers["task"])
    assert names == [task_names.EXCERPT.sampled_batch, task_names.EXCERPT.batch]
