"""A client of JetStream for tests without coroutines: its event loop runs in a thread."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import nats
from nats.errors import Error
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, StreamConfig, StreamState

from tests.support.nats_load.messages import Message

if TYPE_CHECKING:
    from nats.aio.msg import Msg

IN_FLIGHT: Final = 200
"""Messages that are published at the same time."""

ACKNOWLEDGED_WITHIN: Final = 2.0
"""Seconds after which a message is published again."""

TIMEOUT: Final = 60.0
"""Seconds for a call, which includes the restart of a killed server."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a stream."""

    headers: dict[str, str]
    body: bytes


class JetStream:
    """Publishes and reads messages. It reconnects for ever.

    Args:
        loop: the event loop of the thread.
        context: the context of its connection.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, context: JetStreamContext) -> None:
        self._loop = loop
        self._context = context

    def make_stream(self, config: StreamConfig) -> None:
        """Make a stream."""
        self._call(self._context.add_stream(config))

    def config(self, stream: str) -> StreamConfig:
        """Return the configuration of a stream."""
        return self._call(self._context.stream_info(stream)).config

    def state(self, stream: str) -> StreamState:
        """Return the state of a stream."""
        return self._call(self._context.stream_info(stream)).state

    def consumer(self, stream: str, consumer: str) -> ConsumerInfo:
        """Return the state of a consumer."""
        return self._call(self._context.consumer_info(stream, consumer))

    def publish(self, subject: str, messages: Sequence[Message]) -> Future[None]:
        """Publish messages; the future ends when the server has acknowledged all.

        A message with an id is published again after a fault, a message without one is not.
        """
        return asyncio.run_coroutine_threadsafe(self._publish(subject, messages), self._loop)

    def take(self, stream: str, consumer: str, count: int) -> Future[int]:
        """Fetch messages of a durable consumer, and never acknowledge them.

        The future's result is their number.
        """
        return asyncio.run_coroutine_threadsafe(self._take(stream, consumer, count), self._loop)

    def read(self, stream: str) -> list[StoredMessage]:
        """Return all messages of a stream, in order; none is removed."""
        return self._call(self._read(stream))

    async def _publish(self, subject: str, messages: Sequence[Message]) -> None:
        free = asyncio.Semaphore(IN_FLIGHT)

        async def publish(message: Message) -> None:
            async with free:
                await self._publish_one(subject, message)

        await asyncio.gather(*(publish(each) for each in messages))

    async def _publish_one(self, subject: str, message: Message) -> None:
        while True:
            try:
                await self._context.publish(
                    subject, message.body, ACKNOWLEDGED_WITHIN, headers=dict(message.headers)
                )
            except Error:
                if not message.has_id:
                    raise
                await asyncio.sleep(0.1)
            else:
                return

    async def _take(self, stream: str, consumer: str, count: int) -> int:
        subscription = await self._context.pull_subscribe_bind(consumer, stream)
        taken: list[Msg] = []
        while len(taken) < count:
            try:
                taken += await subscription.fetch(count - len(taken), timeout=TIMEOUT)
            except NatsTimeout:
                break
        await subscription.unsubscribe()
        return len(taken)

    async def _read(self, stream: str) -> list[StoredMessage]:
        state = (await self._context.stream_info(stream)).state
        found: list[StoredMessage] = []
        if not state.messages:
            return found
        config = ConsumerConfig(ack_policy=AckPolicy.NONE)
        subscription = await self._context.pull_subscribe(">", stream=stream, config=config)
        while len(found) < state.messages:
            fetched = await subscription.fetch(500, timeout=TIMEOUT)
            found += [StoredMessage(dict(each.headers or {}), each.data) for each in fetched]
        await subscription.unsubscribe()
        return found

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)


@contextmanager
def connected(url: str) -> Iterator[JetStream]:
    """Connect to a server during the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    connection = asyncio.run_coroutine_threadsafe(_connect(url), loop).result(TIMEOUT)
    try:
        yield JetStream(loop, connection.jetstream(timeout=TIMEOUT))
    finally:
        asyncio.run_coroutine_threadsafe(connection.close(), loop).result(TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT)
        loop.close()


async def _connect(url: str) -> nats.NATS:
    async def ignore(_error: Exception) -> None:
        """Ignore the loss of a connection to a killed server."""

    return await nats.connect(
        url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=ignore
    )
