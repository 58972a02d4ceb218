"""Runs the process ``acoustid ingest nats``: the connection, the ingest and the announcements.

After the first SIGTERM or SIGINT the process ends when its current batch of messages is written and
acknowledged, after `STOP_TIME` at most. A second signal ends it at once. Messages that are not
acknowledged are delivered again, so no end of this process loses a submission.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

import structlog
from nats.aio.client import Client

from nats_bridge.announcements.announcer import Announcer
from nats_bridge.ingest.batch import BatchWriter
from nats_bridge.ingest.ingest_loop import IngestLoop
from nats_bridge.ingest.receipts import NatsReceipts
from nats_bridge.link.connection import run_connected
from nats_bridge.process.process_state import ProcessState
from nats_bridge.process.resources import COMPONENT, Resources
from nats_bridge.stop_wait import wait_for_stop
from nats_bridge.streams.preparation import SetupError, Streams, prepare

STOP_TIME: Final = 10.0
"""Seconds for the current batch after a signal. `acoustid up` waits for 15 s."""

CANCEL_TIME: Final = 3.0
"""Seconds for the end of an attempt to connect."""

PAUSE: Final = 5.0
"""Seconds before a part of the process runs again after an unexpected error."""

logger = structlog.get_logger("acoustid.nats_bridge.process.service")


def serve(resources: Resources, state: ProcessState, *, until_empty: bool = False) -> bool:
    """Take submissions until a signal, or until the stream is empty.

    Args:
        resources: the resources of this process; this function does not close them.
        state: gets the state of the connection and the numbers.
        until_empty: end when no message waits for this service and none is unacknowledged, and when
            the announcements that wait then are published.

    Returns:
        whether the stream is empty; False after a signal.

    Raises:
        SetupError: with `until_empty`, the stream or the consumer does not fit.
    """
    return asyncio.run(_Service(resources, state, until_empty=until_empty).run())


class _Service:
    """One run of the process."""

    def __init__(self, resources: Resources, state: ProcessState, *, until_empty: bool) -> None:
        self._resources = resources
        self._settings = resources.settings.nats
        self._state = state
        self._until_empty = until_empty
        self._stop = asyncio.Event()
        self._is_working = False

    async def run(self) -> bool:
        """Run until a signal, or until the stream is empty; return whether it is."""
        with _handled_signals(self._stop):
            work = asyncio.create_task(
                run_connected(self._settings, self._state.link, self._work, name=COMPONENT)
            )
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if work.done():
                await work  # raises its error
                return not self._stop.is_set()
            await self._finish(work)
            return False

    async def _finish(self, work: "asyncio.Task[None]") -> None:
        """Wait for the current batch, if there is one."""
        logger.info("stopping after the current batch")
        if self._is_working:
            await asyncio.wait({work}, timeout=STOP_TIME)
            if not work.done():
                # A thread waits for a database, and the end of the event loop would wait for it.
                logger.warning("ends without its current batch, which is delivered again")
                _end_at_once(0)
        work.cancel()
        await asyncio.wait({work}, timeout=CANCEL_TIME)
        if not work.cancelled() and work.done() and (error := work.exception()):
            logger.error("the last batch failed; it is delivered again", exc_info=error)

    async def _work(self, client: Client) -> None:
        """Run the ingest and the announcements on one connection."""
        self._is_working = True
        try:
            await self._work_on(client)
        finally:
            self._is_working = False

    async def _work_on(self, client: Client) -> None:
        if self._until_empty:
            await self._prepare(client)  # raises SetupError
            await self._ingest(client)
            if self._settings.publish_subject:
                await self._announce(client)
            return
        parts = [self._ingest]
        if self._settings.publish_subject:
            parts.append(self._announce)
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._kept_running(part, client))

    async def _kept_running(
        self, part: Callable[[Client], Awaitable[None]], client: Client
    ) -> None:
        """Run a part until a signal. After an unexpected error, run it again after a pause."""
        while not self._stop.is_set():
            try:
                await part(client)
            except Exception:
                logger.exception("a part of the process failed; it runs again")
                await wait_for_stop(self._stop, PAUSE)

    async def _ingest(self, client: Client) -> None:
        resources = self._resources
        writer = BatchWriter(
            NatsReceipts(resources.databases, self._settings.max_pending),
            resources.keys,
            resources.maintenance,
            resources.publisher,
            resources.metrics,
        )
        loop = IngestLoop(client, partial(self._prepare, client), writer, self._state.ingest)
        await loop.run(self._stop, until_empty=self._until_empty)

    async def _prepare(self, client: Client) -> Streams:
        try:
            streams = await prepare(client.jetstream(), self._settings)
        except SetupError as error:
            self._state.setup_problem = str(error)
            raise
        self._state.setup_problem = ""
        return streams

    async def _announce(self, client: Client) -> None:
        announcer = Announcer(
            self._resources.databases, client, self._settings, self._state.announcements
        )
        await announcer.run(self._stop, until_empty=self._until_empty)


@contextmanager
def _handled_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set an event at the first SIGTERM or SIGINT in the block, and end the process at the next."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            logger.warning("ends at once; unacknowledged messages are delivered again")
            _end_at_once(128 + number)
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, partial(on_signal, number))
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _end_at_once(status: int) -> None:
    """End the process without waiting for its threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
