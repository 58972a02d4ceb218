"""The ingest loop: fetches messages, has them checked and stored, and acknowledges them.

The order of steps holds the guarantees:

1. Messages that were stored before are only acknowledged.
2. Refused items are published as dead letters.
3. The receipts of the others are committed.
4. The messages are acknowledged.

After a kill between two steps, the message is delivered again, and the steps that were done have no
further effect.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import nats.errors
import structlog

from nats_bridge.ingest.dead_letters import publish_dead_letter
from nats_bridge.ingest.faults import EXPECTED, problem_of
from nats_bridge.ingest.fetching import Fetcher, IngestStreams
from nats_bridge.ingest.held_message import HeldMessage, keep_all
from nats_bridge.stop_wait import wait_for_stop
from pipeline.runtime.trace import trace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from nats.aio.client import Client

    from nats_bridge.ingest.batch import BatchWriter
    from nats_bridge.ingest.ingest_counts import IngestCounts

FETCH_TIME: Final = 1.0
"""Seconds to wait for a first message; the time until a stop is noticed."""

EMPTY_TIME: Final = 0.2
"""The same, for a loop that ends when the stream is empty."""

FLUSH_TIME: Final = 2
"""Maximum seconds to send the last acknowledgements. With a server that does not answer, the fetch
before takes up to 7 s, and all together must end within the time that a stop gives."""

HOLD_TIME: Final = 15.0
"""Seconds of a fault for which messages are held. Then they are given back to the server."""

MAX_PAUSE: Final = 60.0
"""Maximum seconds between two attempts to store messages."""

MAX_FETCH_PAUSE: Final = 5.0
"""Maximum seconds between two attempts to fetch messages."""

FIRST_PAUSE: Final = 0.5
ALONE_PAUSE: Final = 1.0
"""Seconds before the second delivery of a message that fails alone; they double each time."""

LOG_INTERVAL: Final = 60.0
"""Seconds after which an unchanged problem is logged again."""

ROOM_PAUSE: Final = 0.25
"""Seconds between two attempts to store messages above the limit of pending submissions."""

CHECK_INTERVAL: Final = 15.0
"""Seconds between two checks of stream and consumer, which anybody may change or delete."""

AT_LIMIT: Final = "as many submissions are pending as [nats] max_pending permits"

FAILED: Final = "the database refuses a message for an unknown reason: the log has its error"

CONCURRENT_DEAD_LETTERS: Final = 16

logger = structlog.get_logger("acoustid.nats_bridge.ingest.ingest_loop")


class IngestLoop:
    """Takes submissions from a stream.

    Args:
        client: the connection to NATS.
        prepare: makes and checks stream, consumer and the stream of the dead letters. It is called
            at the start, at intervals, and after a fault of one of them.
        writer: checks and stores messages.
        counts: receives the numbers.
    """

    def __init__(
        self,
        client: Client,
        prepare: Callable[[], Awaitable[IngestStreams]],
        writer: BatchWriter,
        counts: IngestCounts,
    ) -> None:
        self._client = client
        self._prepare = prepare
        self._writer = writer
        self._counts = counts
        self._failures = 0
        self._next_check = 0.0
        self._given_back = ""  # why messages that were given back alone wait
        self._logged = ""
        self._log_again = 0.0

    async def run(self, stop: asyncio.Event, *, until_empty: bool = False) -> None:
        """Take messages until a stop, which ends the loop after the current batch.

        Args:
            stop: set it to end the loop.
            until_empty: end also when the stream has no more messages for the consumer.

        Raises:
            nats.errors.Error: the connection was closed.
        """
        fetcher = Fetcher(self._client, self._counts)
        clock = asyncio.get_running_loop().time
        try:
            while not stop.is_set():
                try:
                    if fetcher.streams is None or clock() >= self._next_check:
                        await fetcher.open(await self._prepare())
                        self._next_check = clock() + CHECK_INTERVAL
                    streams = fetcher.streams
                    held = await fetcher.fetch(EMPTY_TIME if until_empty else FETCH_TIME)
                    if not held and await fetcher.is_drained():
                        self._given_back = ""
                        if until_empty:
                            break
                except Exception as error:
                    if self._client.is_closed:
                        raise
                    await fetcher.close()  # stream and consumer are checked again
                    await wait_for_stop(stop, min(MAX_FETCH_PAUSE, self._note_failure(error)))
                    continue
                if held and streams:
                    await self._handle(held, streams, stop)
                else:
                    self._note_success(self._given_back)
        finally:
            await fetcher.close()
            with suppress(nats.errors.Error):  # the messages are delivered again
                await self._client.flush(FLUSH_TIME)

    async def _handle(
        self, held: list[HeldMessage], streams: IngestStreams, stop: asyncio.Event
    ) -> None:
        """Handle a batch until each message is acknowledged, terminated or given back."""
        keeper = asyncio.create_task(keep_all(held, streams.ack_wait / 3))
        failing_since: float | None = None
        clock = asyncio.get_running_loop().time
        try:
            while left := [each for each in held if not each.is_ended]:
                try:
                    await self._attempt(left, streams)
                    failing_since = None
                    pause = ROOM_PAUSE
                except Exception as error:  # noqa: BLE001 - the messages are delivered again
                    failing_since = failing_since or clock()
                    pause = self._note_failure(error)
                    if clock() + pause > failing_since + HOLD_TIME:
                        await self._give_back(left, pause)
                        await wait_for_stop(stop, pause)
                        return
                if not all(each.is_ended for each in left):
                    await wait_for_stop(stop, pause)
                if stop.is_set():
                    await self._give_back(left)
                    return
        finally:
            keeper.cancel()

    async def _attempt(self, messages: Sequence[HeldMessage], streams: IngestStreams) -> None:
        """Take all steps. Afterwards the messages above the limit are the only ones held.

        Raises:
            Exception: infrastructure is the cause.
        """
        for each in await asyncio.to_thread(self._writer.check, messages):
            await each.acknowledge()
        await self._publish_dead_letters(messages, streams)
        valid = [
            each
            for each in messages
            if each.checked and each.checked.receipts and not each.is_ended
        ]
        if not valid:
            self._note_success(self._given_back)
            return
        written = await asyncio.to_thread(self._writer.write, valid, self._counts)
        for each in written.stored:
            await each.acknowledge()
        await self._publish_dead_letters(written.refused, streams)
        for each in written.failed:
            self._given_back = FAILED
            await self._give_back([each], self._pause_of(each))
        if written.stored:
            logger.info(
                "messages received",
                messages=len(written.stored),
                submissions=sum(len(each.to_store().receipts) for each in written.stored),
                last=written.stored[-1].origin.sequence,
                requests=[each.trace_id for each in written.stored],
            )
        self._note_success(self._given_back if len(written) == len(valid) else AT_LIMIT)

    async def _publish_dead_letters(
        self, messages: Sequence[HeldMessage], streams: IngestStreams
    ) -> None:
        """Publish the refused items, and terminate the messages without other items.

        A message whose dead letters cannot be published is given back; the others go on.
        """
        places = asyncio.Semaphore(CONCURRENT_DEAD_LETTERS)

        async def publish(held: HeldMessage) -> None:
            async with places:
                await self._publish_refused(held, streams.dead_letter_subject)

        refused = [each for each in messages if each.unpublished() and not each.is_ended]
        await asyncio.gather(*(publish(each) for each in refused))

    async def _publish_refused(self, held: HeldMessage, subject: str) -> None:
        for item in held.unpublished():
            try:
                await publish_dead_letter(self._client, subject, held.origin, item)
            except Exception as error:  # noqa: BLE001 - the other messages go on
                logger.warning(
                    "a dead letter cannot be published",
                    subject=subject,
                    sequence=held.origin.sequence,
                    error=type(error).__name__,
                )
                self._given_back = (
                    f"refused messages wait: no dead letter can be published to {subject} "
                    f"({type(error).__name__})"
                )
                self._next_check = 0.0  # the stream of the dead letters may be gone
                await self._give_back([held], self._pause_of(held))
                return
            self._given_back = ""
            held.dead_letters += 1
            self._counts.add(refused=1)
            with trace(held.trace_id):
                logger.info(
                    "message refused",
                    sequence=held.origin.sequence,
                    item=item.index,
                    code=item.error.code,
                )
        if not held.to_store().receipts:
            await held.terminate()

    async def _give_back(self, messages: Sequence[HeldMessage], delay: float = 0.0) -> None:
        """Let the server deliver the messages again that are still held, after a delay."""
        held = [each for each in messages if not each.is_ended]
        for each in held:
            await each.give_back(delay)
        self._counts.add(retried=len(held))

    def _pause_of(self, held: HeldMessage) -> float:
        """Return the pause before the next delivery of a message that fails alone."""
        deliveries = held.message.metadata.num_delivered or 1
        return float(min(MAX_PAUSE, ALONE_PAUSE * 2.0 ** min(deliveries - 1, 10)))

    def _note_failure(self, error: Exception) -> float:
        """Log a fault at intervals, and return the pause before the next attempt, which grows."""
        pause = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        self._failures += 1
        problem = problem_of(error)
        self._counts.set_problem(problem)
        now = asyncio.get_running_loop().time()
        if problem != self._logged or now >= self._log_again:
            self._logged, self._log_again = problem, now + LOG_INTERVAL
            logger.warning(
                "messages wait",
                problem=problem,
                next_attempt=pause,
                exc_info=None if isinstance(error, EXPECTED) else error,
            )
        return pause

    def _note_success(self, problem: str = "") -> None:
        self._failures = 0
        self._logged = ""
        self._counts.set_problem(problem)
