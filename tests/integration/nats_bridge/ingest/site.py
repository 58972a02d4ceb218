"""A stream with its consumer, and ingest loops that take submissions from it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import nats
import nats.errors
import sqlalchemy as sa
from kombu.exceptions import OperationalError
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    RetentionPolicy,
    StreamConfig,
)

from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.access.redis_outage import RedisCircuitBreaker
from api.submissions.backlog import SubmissionBacklog
from api.submissions.publisher import SubmissionPublisher
from bench.nats.server import NatsServer
from nats_bridge import headers
from nats_bridge.ingest.batch import BatchWriter
from nats_bridge.ingest.ingest_counts import IngestCounts
from nats_bridge.ingest.ingest_loop import IngestLoop
from nats_bridge.ingest.receipts import NatsReceipts
from nats_bridge.link.tolerant_client import TolerantClient
from pipeline.catalog.app import accounts
from pipeline.catalog.app.keys.demo_application import ensure_demo
from pipeline.catalog.ingest.tables import nats_message, submission
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import connect_metrics
from pipeline.runtime.trace import current_trace_id
from pipeline.settings.sections import RedisSettings
from tests.support.fixtures import Script
from tests.support.processes.nats_server import delete_stream

if TYPE_CHECKING:
    from nats.js import JetStreamContext

    from pipeline.runtime.databases import Databases

WORD: Final = "AQAAAQcZ"  # the fingerprint of one word
TIME_LIMIT: Final = 60.0
"""Maximum seconds of a scenario."""

_numbers = count(1)


@dataclass(frozen=True)
class SiteStreams:
    """The names of a site, with the attributes of `nats_bridge.streams.preparation.Streams`."""

    stream: str
    consumer: str
    dead_letter_subject: str
    ack_wait: float


@dataclass(frozen=True)
class Chain:
    """Submissions that were sent to the workers, and the trace id of their tasks."""

    ids: tuple[int, ...]
    trace_id: str | None


class Site:
    """One stream, its dead letters, and everything that an ingest loop needs.

    Attributes:
        server: the NATS server.
        databases: the databases of the ingest loops.
        chains: the submissions that were sent to the workers.
        counts: the numbers of the ingest loops.
        sends: whether the broker is reachable.
    """

    def __init__(self, server: NatsServer, script: Script, ack_wait: float = 0.5) -> None:
        self.server = server
        self.url = server.url
        self.script = script
        self.databases: Databases = script.databases
        name = f"stream_{next(_numbers)}"
        self.streams = SiteStreams(name, f"{name}_worker", f"{name}.rejected", ack_wait)
        self.chains: list[Chain] = []
        self.counts = IngestCounts()
        self.sends = True
        self._close: list[Callable[[], None]] = []
        with self.databases.engine("app").begin() as connection:
            self.user = ensure_demo(connection).user_key
            self.application = accounts.create_application(connection, "tests").key

    def close(self) -> None:
        """Stop the threads of the ingest loops."""
        for close in self._close:
            close()

    def run(self, scenario: Callable[["Link"], Awaitable[None]]) -> None:
        """Make stream and consumer, and run a scenario with a connection."""

        async def with_link() -> None:
            async with asyncio.timeout(TIME_LIMIT), self.connected() as link:
                await link.make_streams()
                await scenario(link)

        asyncio.run(with_link())

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Link"]:
        """Open a connection."""
        client = TolerantClient()
        await client.connect(self.url)
        try:
            yield Link(self, client)
        finally:
            with suppress(nats.errors.Error):
                await client.close()

    def writer(self, *, max_pending: int = 5000, redis: RedisSettings | None = None) -> BatchWriter:
        """Return a writer with caches of its own."""
        used = self.databases
        breaker = RedisCircuitBreaker()
        client = connect(redis or self.script.settings.redis)
        keys = ApiKeys(used, client, breaker, demo=True)
        backlog = SubmissionBacklog(used, client, breaker, 0)
        publisher = SubmissionPublisher(self._send, backlog.leave, backlog.queue_state)
        metrics = connect_metrics(self.script.settings.statsd)
        self._close += [publisher.close, keys.close, metrics.close, client.close]
        receipts = NatsReceipts(used, max_pending)
        maintenance = MaintenanceMode(used, clock=lambda: 50 * time.monotonic())  # no cache
        return BatchWriter(receipts, keys, maintenance, publisher, metrics)

    def _send(self, ids: Sequence[int]) -> None:
        if not self.sends:
            raise OperationalError
        self.chains.append(Chain(tuple(ids), current_trace_id()))

    def rows(self) -> list[sa.Row[Any]]:
        """Return all receipts, by id."""
        return self._select(sa.select(submission).order_by(submission.c.id))

    def messages(self) -> list[sa.Row[Any]]:
        """Return all stored messages, by sequence."""
        return self._select(sa.select(nats_message).order_by(nats_message.c.sequence))

    def lengths(self) -> list[int]:
        """Return the durations of all receipts, which identify them, by id."""
        return [row.length for row in self.rows()]

    def finish(self) -> None:
        """Set the final state of all submissions, a while ago."""
        values = {"state": "imported", "handled_at": sa.func.now() - timedelta(hours=2)}
        with self.databases.engine("ingest").begin() as connection:
            connection.execute(sa.update(submission).values(values))

    def _select(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        with self.databases.engine("ingest").connect() as connection:
            return list(connection.execute(query))


class Link:
    """A connection to the server of a site."""

    def __init__(self, site: Site, client: Client) -> None:
        self.site = site
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream()

    async def make_streams(self) -> None:
        """Make stream, consumer, and the stream of the dead letters."""
        streams = self.site.streams
        await self.jetstream.add_stream(
            StreamConfig(
                name=streams.stream,
                subjects=[streams.stream],
                retention=RetentionPolicy.WORK_QUEUE,
                duplicate_window=0.1,  # so that a message id can be published twice
            )
        )
        await self.make_consumer()
        with suppress(nats.js.errors.BadRequestError):  # it exists
            await self.jetstream.add_stream(
                StreamConfig(
                    name=f"{streams.stream}_rejected", subjects=[streams.dead_letter_subject]
                )
            )

    async def make_consumer(self) -> None:
        """Make the durable consumer."""
        await self.jetstream.add_consumer(
            self.site.streams.stream,
            ConsumerConfig(
                durable_name=self.site.streams.consumer,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self.site.streams.ack_wait,
                max_deliver=-1,
            ),
        )

    async def delete(self, stream: str) -> None:
        """Delete a stream with its files."""
        await delete_stream(self.site.server, self.jetstream, stream)

    async def publish(self, body: object, message_id: str | None = None, **more: str | None) -> int:
        """Publish a message with valid keys unless `more` has others; return its sequence."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        given: dict[str, str | None] = {
            headers.CLIENT: self.site.application,
            headers.USER: self.site.user,
            headers.MESSAGE_ID: message_id,
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        kept = {name: value for name, value in given.items() if value is not None}
        ack = await self.jetstream.publish(self.site.streams.stream, text, headers=kept)
        return ack.seq

    def loop(self, writer: BatchWriter | None = None, *, max_pending: int = 5000) -> IngestLoop:
        """Return an ingest loop with this connection."""
        made = writer or self.site.writer(max_pending=max_pending)
        return IngestLoop(self.client, self._prepare, made, self.site.counts)

    async def _prepare(self) -> SiteStreams:
        await self.jetstream.consumer_info(self.site.streams.stream, self.site.streams.consumer)
        return self.site.streams

    async def drain(self, writer: BatchWriter | None = None) -> None:
        """Take messages until the stream is empty."""
        await self.loop(writer).run(asyncio.Event(), until_empty=True)

    async def dead_letters(self) -> list[Msg]:
        """Return all dead letters, in order."""
        streams = self.site.streams
        info = await self.jetstream.stream_info(f"{streams.stream}_rejected")
        subscription = await self.jetstream.subscribe(
            streams.dead_letter_subject, ordered_consumer=True
        )
        found = [await subscription.next_msg(timeout=10) for _ in range(info.state.messages)]
        await subscription.unsubscribe()
        return found

    async def left(self) -> int:
        """Return the number of messages in the stream."""
        info = await self.jetstream.stream_info(self.site.streams.stream)
        return int(info.state.messages)

    async def wait_for_left(self, count: int) -> None:
        """Wait until the stream has this number of messages; the time limit of `run` applies."""
        while await self.left() != count:
            await asyncio.sleep(0.02)


def item(duration: object = 241, **fields: object) -> dict[str, object]:
    """Return a valid submission; its duration identifies it."""
    return {"fingerprint": WORD, "duration": duration, "track": "A", **fields}


def mbid(number: int) -> str:
    """Return an MBID."""
    return str(UUID(int=number))
