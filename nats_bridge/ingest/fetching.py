"""Fetches batches of messages, within limits of number and size."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import nats.errors

from nats_bridge.ingest.held_message import HeldMessage
from nats_bridge.ingest.pulling import Pulling, PullRefusedError
from nats_bridge.ingest.stranded_messages import StrandedMessages

if TYPE_CHECKING:
    from nats.aio.client import Client

    from nats_bridge.ingest.ingest_counts import IngestCounts

MAX_MESSAGES: Final = 100
"""Maximum number of messages of a batch."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Maximum size of the messages of a batch, unless a single message may be larger."""

MORE_TIME: Final = 0.02
"""Seconds to wait for further messages of a batch."""


class IngestStreams(Protocol):
    """The stream and the consumer of the submissions, checked."""

    @property
    def stream(self) -> str:
        """Name of the stream."""
        ...

    @property
    def consumer(self) -> str:
        """Name of the durable pull consumer."""
        ...

    @property
    def dead_letter_subject(self) -> str:
        """Subject of refused messages."""
        ...

    @property
    def ack_wait(self) -> float:
        """Seconds after which an unacknowledged message is delivered again."""
        ...


class Fetcher:
    """Fetches the messages of a durable pull consumer.

    Args:
        client: the connection to NATS.
        counts: receives the numbers of messages.

    Attributes:
        streams: stream and consumer, while the fetcher is open.
    """

    def __init__(self, client: Client, counts: IngestCounts) -> None:
        self._client = client
        self._jetstream = client.jetstream()
        self._counts = counts
        self._pulling: Pulling | None = None
        self._stranded: StrandedMessages | None = None
        self.streams: IngestStreams | None = None

    async def open(self, streams: IngestStreams) -> None:
        """Subscribe to the messages of a consumer, unless they are the present ones."""
        if streams == self.streams:
            return
        await self.close()
        self._pulling = await Pulling.begin(self._client, streams.stream, streams.consumer)
        self.streams = streams
        if self._stranded is None or self._stranded.stream != streams.stream:
            self._stranded = StrandedMessages(self._jetstream, streams.stream)

    async def close(self) -> None:
        """End the subscription, if there is one. Give back the messages that `fetch` has not."""
        pulling, self._pulling, self.streams = self._pulling, None, None
        if pulling is None:
            return
        if self._client.is_connected:
            with suppress(nats.errors.Error):  # otherwise they are delivered after the ack wait
                for each in await pulling.received(MAX_MESSAGES):
                    await each.nak()
        with suppress(nats.errors.Error):  # the connection is closed
            await pulling.end()

    async def fetch(self, seconds: float) -> list[HeldMessage]:
        """Return the next messages in the order of the stream; none after some seconds.

        They are at most `MAX_MESSAGES`, and have at most `MAX_BYTES`.

        Raises:
            nats.errors.Error: stream or consumer is gone, or the server does not reply. The
                messages are delivered again.
        """
        if self._pulling is None or self.streams is None:
            return []
        most = max(1, min(MAX_MESSAGES, MAX_BYTES // self._client.max_payload))
        messages = await self._pulling.received(most) or await self._pulling.request(1, seconds)
        if not messages:
            return []
        if len(messages) < most:
            with suppress(PullRefusedError):  # the next request tells it again
                messages += await self._pulling.request(most - len(messages), MORE_TIME)
        # A stream can be deleted and made again at any time.
        info = await self._jetstream.stream_info(self.streams.stream)
        held = [HeldMessage.of(each, info.created) for each in messages]
        redelivered = sum((each.metadata.num_delivered or 1) > 1 for each in messages)
        self._counts.add(received=len(held), redelivered=redelivered)
        self._counts.set_waiting(messages[-1].metadata.num_pending, None)
        return sorted(held, key=lambda each: each.origin.sequence)

    async def is_drained(self) -> bool:
        """Return whether the consumer has no messages to deliver, now or later.

        Raises:
            nats.errors.Error: it is gone, or the server does not reply.
        """
        if self.streams is None:
            return False
        info = await self._jetstream.consumer_info(self.streams.stream, self.streams.consumer)
        self._counts.set_waiting(info.num_pending or 0, info.num_ack_pending or 0)
        if info.num_pending or info.num_ack_pending:
            return False
        return self._stranded is None or not await self._stranded.remain(info)
