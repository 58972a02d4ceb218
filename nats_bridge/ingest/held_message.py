"""A received message that is not acknowledged yet."""

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from nats_bridge import headers
from nats_bridge.ingest.dead_letters import Origin
from nats_bridge.ingest.message import CheckedMessage, RefusedItem, header
from nats_bridge.ingest.receipts import identity_of
from pipeline.catalog.ingest.nats_messages import NewMessage
from pipeline.runtime.trace import new_trace_id

logger = structlog.get_logger("acoustid.nats_bridge.ingest.held_message")


@dataclass(eq=False, slots=True)
class HeldMessage:
    """A message between its delivery and its acknowledgement.

    Attributes:
        message: the message.
        identity: what identifies it among all messages.
        checked: the result of its checks; None before them.
        dead_letters: the number of its refused items that the dead-letter stream has.
        trace_id: the trace id of its checks, and of the tasks that import it.
        task_id: the task id of its submissions.
        is_ended: whether it was acknowledged, terminated or given back.
    """

    message: Msg
    identity: bytes
    checked: CheckedMessage | None = None
    dead_letters: int = 0
    trace_id: str = field(default_factory=new_trace_id)
    task_id: uuid.UUID = field(default_factory=uuid.uuid4)
    is_ended: bool = False

    @classmethod
    def of(cls, message: Msg, created: datetime | None) -> Self:
        """Return a delivered message of a stream that was made at `created`."""
        known = message.metadata
        message_id = header(message.headers, headers.MESSAGE_ID)
        sequence = known.sequence.stream
        return cls(
            message, identity_of(known.stream, created, message_id, sequence, known.timestamp)
        )

    @property
    def origin(self) -> Origin:
        """The message as dead letters name it."""
        known = self.message.metadata
        return Origin(
            known.stream,
            known.sequence.stream,
            round(known.timestamp.timestamp() * 1_000_000),
            self.message.headers,
        )

    def unpublished(self) -> list[RefusedItem]:
        """Return the refused items that the dead-letter stream does not have; none unchecked."""
        return self.checked.refused[self.dead_letters :] if self.checked else []

    def to_store(self) -> NewMessage:
        """Return the message with the receipts that the checks have found."""
        known = self.message.metadata
        return NewMessage(
            identity=self.identity,
            stream=known.stream,
            sequence=known.sequence.stream,
            message_id=header(self.message.headers, headers.MESSAGE_ID),
            task_id=self.task_id,
            receipts=self.checked.receipts if self.checked else [],
        )

    async def acknowledge(self) -> None:
        """Acknowledge the message. If this is lost, it is delivered again and has the same ids."""
        await self._end("acknowledged", self.message.ack())

    async def terminate(self) -> None:
        """End the deliveries of a refused message."""
        await self._end("terminated", self.message.term())

    async def give_back(self, delay: float = 0.0) -> None:
        """Let the server deliver the message again after a delay in seconds."""
        await self._end("given back", self.message.nak(delay or None))

    async def keep(self) -> None:
        """Prevent another delivery for the ack wait of the consumer."""
        await self._send("kept", self.message.in_progress())

    async def _end(self, what: str, reply: Coroutine[object, object, None]) -> None:
        self.is_ended = True
        await self._send(what, reply)

    async def _send(self, what: str, reply: Coroutine[object, object, None]) -> None:
        try:
            await reply
        except NatsError as error:  # the server delivers it again
            logger.warning(
                "a message could not be handled",
                step=what,
                sequence=self.message.metadata.sequence.stream,
                error=type(error).__name__,
            )


async def keep_all(messages: Sequence[HeldMessage], interval: float) -> None:
    """Keep messages that are not acknowledged, until this is cancelled.

    Args:
        messages: the messages.
        interval: seconds; less than the ack wait of the consumer.
    """
    while True:
        await asyncio.sleep(interval)
        for each in messages:
            if not each.is_ended:
                await each.keep()
