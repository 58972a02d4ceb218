"""Finds acknowledged messages that a work-queue stream still contains, and has them delivered.

A work-queue stream removes a message when it is acknowledged. ``nats-server`` 2.9, which Debian 12
contains, may lose removals of the last seconds when it is killed. Such a message is in the stream
for ever: its consumer counts it as acknowledged and does not deliver it again. A consumer that is
made anew gets it, and the acknowledgement removes it. Its submissions are known by their message,
so they are not received a second time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from nats.errors import Error as NatsError
from nats.js.api import DeliverPolicy, RetentionPolicy

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerInfo

LOOK_PAUSE: Final = 1.0
"""Seconds between the two looks that must find the same state: a removal takes some time."""

REPAIR_PAUSE: Final = 60.0
"""Seconds before another repair."""

logger = structlog.get_logger("acoustid.nats_bridge.ingest.stranded_messages")


@dataclass(frozen=True, slots=True)
class _Look:
    """The state of a consumer at some time.

    Attributes:
        at: the time, on the monotonic clock.
        position: the last sequence numbers that it has delivered and that are acknowledged.
    """

    at: float
    position: tuple[int, int]


class StrandedMessages:
    """Looks for stranded messages of one consumer.

    Args:
        jetstream: the context of the connection.
        stream: the name of the stream.

    Attributes:
        stream: the name of the stream.
    """

    def __init__(self, jetstream: JetStreamContext, stream: str) -> None:
        self._jetstream = jetstream
        self.stream = stream
        self._first: _Look | None = None
        self._next_repair = 0.0

    async def remain(self, consumer: ConsumerInfo) -> bool:
        """Return whether the stream may have stranded messages, which are delivered soon.

        The second call that finds them makes the consumer anew.

        Args:
            consumer: the present state of the consumer, to which nothing is to be delivered and
                whose messages are all acknowledged.

        Raises:
            nats.errors.Error: the server does not reply.
        """
        now = time.monotonic()
        if now < self._next_repair or not await self._count(consumer):
            self._first = None
            return False
        look = _Look(now, _position(consumer))
        if self._first is None or self._first.position != look.position:
            self._first = look
        elif now - self._first.at >= LOOK_PAUSE:
            self._first = None
            self._next_repair = now + REPAIR_PAUSE
            return await self._deliver_again(consumer)
        return True

    async def _count(self, consumer: ConsumerInfo) -> int:
        """Return the number of messages for the consumer in a work-queue stream."""
        subject = consumer.config.filter_subject
        if consumer.config.deliver_policy not in (None, DeliverPolicy.ALL) or not subject:
            return 0
        info = await self._jetstream.stream_info(self.stream, subjects_filter=subject)
        if info.config.retention != RetentionPolicy.WORK_QUEUE:
            return 0
        return sum((info.state.subjects or {}).values())

    async def _deliver_again(self, consumer: ConsumerInfo) -> bool:
        """Make the consumer anew; return False if the server refuses it."""
        logger.warning(
            "the stream contains messages that are acknowledged; they are delivered again",
            stream=self.stream,
            consumer=consumer.name,
        )
        try:
            await self._jetstream.delete_consumer(self.stream, consumer.name)
        except NatsError as error:
            logger.warning(
                "the consumer cannot be deleted: permit it, or purge the stream",
                consumer=consumer.name,
                error=type(error).__name__,
            )
            return False
        await self._jetstream.add_consumer(self.stream, consumer.config)
        return True


def _position(consumer: ConsumerInfo) -> tuple[int, int]:
    delivered, acknowledged = consumer.delivered, consumer.ack_floor
    return (
        delivered.stream_seq if delivered else 0,
        acknowledged.stream_seq if acknowledged else 0,
    )
