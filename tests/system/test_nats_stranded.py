"""Acknowledged messages that a killed nats-server forgot to remove are delivered again.

A killed server of Debian 12 has at its next start the messages, but not the removals of the last
seconds. These tests give it the files of the messages from before the removals.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, RetentionPolicy, StreamConfig

from bench.nats.server import NatsServer
from nats_bridge.ingest.stranded_messages import LOOK_PAUSE, StrandedMessages
from tests.support.processes.nats_server import running_nats_server
from tests.system.packages import NATS_SERVER, needs

pytestmark = needs(NATS_SERVER)

STREAM = "submissions"
CONSUMER = "worker"
MESSAGES = 3

Work = Callable[[JetStreamContext], Awaitable[None]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    program = str(NATS_SERVER.folder() / NATS_SERVER.name)  # type: ignore[operator]
    with running_nats_server(tmp_path / "nats", program=program) as started:
        yield started


def on(server: NatsServer, work: Work) -> None:
    """Run a coroutine function with a connection to a server."""

    async def connected() -> None:
        connection = await nats.connect(server.url)
        try:
            await work(connection.jetstream())
        finally:
            await connection.close()

    asyncio.run(connected())


async def make(jetstream: JetStreamContext, retention: RetentionPolicy) -> None:
    """Make stream and consumer, and publish messages."""
    await jetstream.add_stream(
        StreamConfig(STREAM, subjects=[STREAM, "other"], retention=retention)
    )
    config = ConsumerConfig(
        durable_name=CONSUMER, ack_policy=AckPolicy.EXPLICIT, ack_wait=7, filter_subject=STREAM
    )
    await jetstream.add_consumer(STREAM, config)
    await jetstream.publish("other", b"for nobody")
    for number in range(MESSAGES):
        await jetstream.publish(STREAM, b"%d" % number)


async def acknowledge(jetstream: JetStreamContext) -> list[bytes]:
    """Fetch and acknowledge all messages; return their bodies."""
    subscription = await jetstream.pull_subscribe_bind(CONSUMER, STREAM)
    messages = await subscription.fetch(MESSAGES, timeout=5)
    for each in messages:
        await each.ack_sync()
    await subscription.unsubscribe()
    return [each.data for each in messages]


async def left(jetstream: JetStreamContext) -> int:
    return (await jetstream.stream_info(STREAM)).state.messages


async def consumer(jetstream: JetStreamContext) -> ConsumerInfo:
    return await jetstream.consumer_info(STREAM, CONSUMER)


def forget_removals(server: NatsServer, work: Work, tmp_path: Path) -> None:
    """Do some work, then start the server with the messages from before."""
    [files] = tmp_path.rglob(f"streams/{STREAM}/msgs")
    before = tmp_path / "before"
    server.stop()
    shutil.copytree(files, before)
    server.start()
    on(server, work)
    server.stop()
    shutil.rmtree(files)
    shutil.copytree(before, files)
    server.start()


def test_stranded_messages_are_delivered_again_and_removed(
    server: NatsServer, tmp_path: Path
) -> None:
    async def acknowledge_all(jetstream: JetStreamContext) -> None:
        assert len(await acknowledge(jetstream)) == MESSAGES
        assert await left(jetstream) == 1

    async def repair(jetstream: JetStreamContext) -> None:
        before = await consumer(jetstream)
        assert (before.num_pending, before.num_ack_pending) == (0, 0)
        assert await left(jetstream) == MESSAGES + 1
        stranded = StrandedMessages(jetstream, STREAM)
        assert await stranded.remain(before)
        assert (await consumer(jetstream)).num_pending == 0  # one look does not suffice
        await asyncio.sleep(LOOK_PAUSE)
        assert await stranded.remain(await consumer(jetstream))
        assert await acknowledge(jetstream) == [b"0", b"1", b"2"]
        assert await left(jetstream) == 1
        after = await consumer(jetstream)
        assert after.config.ack_wait == before.config.ack_wait
        assert not await stranded.remain(after)

    on(server, lambda jetstream: make(jetstream, RetentionPolicy.WORK_QUEUE))
    forget_removals(server, acknowledge_all, tmp_path)
    on(server, repair)


@pytest.mark.parametrize("retention", [RetentionPolicy.LIMITS, RetentionPolicy.WORK_QUEUE])
def test_other_messages_are_not_stranded(server: NatsServer, retention: RetentionPolicy) -> None:
    """Those of a stream that keeps all messages, those of other subjects, and new ones."""

    async def look_twice(jetstream: JetStreamContext) -> None:
        await make(jetstream, retention)
        await acknowledge(jetstream)
        stranded = StrandedMessages(jetstream, STREAM)
        idle = await consumer(jetstream)
        await jetstream.publish(STREAM, b"new")  # after the consumer was read
        await stranded.remain(idle)
        await acknowledge_one(jetstream)
        await asyncio.sleep(LOOK_PAUSE)
        assert not await stranded.remain(await consumer(jetstream))
        assert (await consumer(jetstream)).created == idle.created

    async def acknowledge_one(jetstream: JetStreamContext) -> None:
        subscription = await jetstream.pull_subscribe_bind(CONSUMER, STREAM)
        [message] = await subscription.fetch(1, timeout=5)
        await message.ack_sync()
        await subscription.unsubscribe()

    on(server, look_twice)
