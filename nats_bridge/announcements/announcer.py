"""Publishes the rows of the outbox, in order.

One process publishes at a time: for each batch of rows it takes a lock that ends with the
transaction. PostgreSQL ends the transaction, too, if the process is killed, is stopped or has lost
its connection. Then another process takes the next batch, which begins with the same rows.

A row is deleted after a stream of NATS has acknowledged its message. If the process ends between
the two, the row is published again, with the same ``Nats-Msg-Id``.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from nats_bridge.announcements import windows
from nats_bridge.announcements.publish_errors import (
    PUBLISH_ERRORS,
    RefusedError,
    explained,
    is_too_large,
)
from nats_bridge.stop_wait import wait_for_stop
from nats_bridge.streams.preparation import SetupError, ensure_stream_of
from pipeline.catalog.advisory_locks import try_lock_announcer
from pipeline.catalog.ingest import outbox
from pipeline.catalog.ingest.outbox import OutboxRow
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases
from pipeline.settings.sections import NatsSettings

BATCH: Final = 500
"""Maximum number of rows for one transaction. Each failure halves the number, so that a slow server
can acknowledge all in time; each batch without a failure doubles it again."""

BATCH_TIME: Final = 2.0
"""Seconds after which no further window of a batch is published."""

ACK_TIME: Final = 4.0
"""Seconds to wait for the acknowledgements of a window."""

LONGEST_IDLE: Final = BATCH_TIME + ACK_TIME + 2.0
"""Seconds without a statement after which PostgreSQL ends the transaction of a batch. Then the
process is stopped, or its host is unreachable."""

IDLE_PAUSE: Final = 0.25
"""Seconds between two looks at an empty outbox, or while another process publishes."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
"""Seconds before another attempt after a failure; each pause is twice as long as the last one."""

REFUSED_PAUSE: Final = 30.0
"""Seconds after which rows are published again that NATS has refused because of their size, and
after which the outbox is read again from its first row."""

MAX_AGE: Final = 7 * 86_400.0
"""Seconds for which a stream that this process makes keeps announcements."""

_HEADERS_SIZE: Final = 256
"""More bytes than the headers of an announcement have."""

logger = structlog.get_logger("acoustid.nats_bridge.announcements.announcer")


class AnnouncementCounts:
    """The numbers of the announcements of this process, for status and metrics. Thread-safe.

    The number of rows that wait is in the database: `pipeline.catalog.ingest.outbox.measure`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._announced = 0
        self._problem = ""

    @property
    def announced(self) -> int:
        """Number of announcements that a stream has stored."""
        return self._announced

    @property
    def problem(self) -> str:
        """Why announcements wait, and what to change; empty without a problem."""
        return self._problem

    def add(self, number: int) -> None:
        """Count announcements that a stream has stored."""
        with self._lock:
            self._announced += number

    def set_problem(self, problem: str) -> None:
        """Set the problem, and log it if it is another one; empty for none."""
        with self._lock:
            before, self._problem = self._problem, problem
        if problem and problem != before:
            logger.warning("announcements wait", problem=problem)
        elif before and not problem:
            logger.info("announcements are published again")


class _Outcome(Enum):
    """The result of an attempt to publish a batch."""

    PUBLISHED = auto()
    EMPTY = auto()  # no row is left, except rows that NATS refuses
    LOCKED = auto()  # another process publishes
    FAILED = auto()


class Announcer:
    """Publishes the rows of the outbox, in the order of the commits for a track.

    Args:
        databases: the outbox is in ``ingest``.
        client: the connection to NATS.
        settings: `publish_subject` is set.
        counts: gets the numbers and the problem.
    """

    def __init__(
        self,
        databases: Databases,
        client: Client,
        settings: NatsSettings,
        counts: AnnouncementCounts,
    ) -> None:
        if settings.publish_subject is None:
            raise ValueError("[nats] publish_subject must be set")
        self._databases = databases
        self._client = client
        self._jetstream = client.jetstream()
        self._subject = settings.publish_subject
        self._stream = f"{settings.stream}_announcements"
        self._counts = counts
        self._is_prepared = False
        self._limit = BATCH
        # After a refusal of a row because of its size, the rows of its track and of its submission
        # wait.
        self._held: set[windows.Key] = set()
        # All rows with ids up to this one are published or wait. To begin each batch with the first
        # row would take long while an old transaction, such as a backup, keeps deleted rows.
        self._after = 0
        self._restart = 0.0

    async def run(self, stop: asyncio.Event, *, until_empty: bool = False) -> None:
        """Publish until an event, or until the outbox is empty.

        Args:
            stop: ends this after the current window.
            until_empty: end when no row waits, except rows that NATS refuses because of their size.
        """
        pause = FIRST_PAUSE
        while not stop.is_set():
            outcome = await self._attempt(stop)
            if outcome is _Outcome.FAILED:
                self._limit = max(1, self._limit // 2)
                await wait_for_stop(stop, pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self._limit = min(2 * self._limit, BATCH)
            if outcome is _Outcome.EMPTY and until_empty:
                return
            if outcome is not _Outcome.PUBLISHED:
                await wait_for_stop(stop, IDLE_PAUSE)

    async def _attempt(self, stop: asyncio.Event) -> _Outcome:
        if not self._client.is_connected:
            return _Outcome.LOCKED  # another process may be connected
        loop = asyncio.get_running_loop()
        try:
            await self._prepare()
            outcome = await asyncio.to_thread(self._publish_batch, loop, stop)
        except (SetupError, RefusedError) as error:
            self._is_prepared = False  # the stream may be gone
            self._counts.set_problem(str(error))
        except DATABASE_UNUSABLE as error:
            self._after = 0  # rows may not be deleted, or the database is an earlier copy
            logger.debug("the outbox is not read", error=type(error).__name__)
            self._counts.set_problem("the ingest database is not usable: see the health checks")
        else:
            self._counts.set_problem(self._held_problem())
            return outcome
        return _Outcome.FAILED

    async def _prepare(self) -> None:
        """Make the stream of the announcements if no stream holds their subject.

        A user without permission to ask for streams may still publish, so no reply is no error.

        Raises:
            SetupError: the stream cannot be used.
        """
        if self._is_prepared:
            return
        try:
            await ensure_stream_of(self._jetstream, self._subject, self._stream, max_age=MAX_AGE)
        except NatsError as error:
            logger.debug("no reply about the stream", error=type(error).__name__)
        self._is_prepared = True

    def _publish_batch(self, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> _Outcome:
        """Publish a batch in this thread, which waits for the event loop of the connection.

        Raises:
            RefusedError: NATS has not acknowledged a row. Those that are acknowledged are deleted.
        """
        if time.monotonic() > self._restart:
            self._held.clear()
            self._after = 0
            self._restart = time.monotonic() + REFUSED_PAUSE
        with self._databases.engine("ingest").begin() as connection:
            if not outbox.read(connection, self._after, 1):  # idle processes do not lock
                return _Outcome.EMPTY
            if not try_lock_announcer(connection, LONGEST_IDLE):
                return _Outcome.LOCKED
            deadline = time.monotonic() + BATCH_TIME
            rows = outbox.read(connection, self._after, self._limit)
            stored, refusal = self._publish_windows(loop, stop, rows, deadline)
            outbox.delete(connection, stored)
        self._counts.add(len(stored))
        if refusal is not None:
            raise refusal
        return _Outcome.PUBLISHED

    def _publish_windows(
        self,
        loop: asyncio.AbstractEventLoop,
        stop: asyncio.Event,
        rows: Sequence[OutboxRow],
        deadline: float,
    ) -> tuple[list[int], RefusedError | None]:
        """Publish rows; return the ids of the stored ones, and the refusal that has ended this."""
        stored: list[int] = []
        for window in windows.windows(rows, self._held):
            if stop.is_set() or time.monotonic() > deadline:
                return stored, None
            more, refusal = self._publish(loop, window, deadline + ACK_TIME)
            stored += more
            if refusal is not None:
                return stored, refusal
        if rows:
            self._after = rows[-1].id
        return stored, None

    def _publish(
        self, loop: asyncio.AbstractEventLoop, window: Sequence[OutboxRow], latest: float
    ) -> tuple[list[int], RefusedError | None]:
        """Publish a window; return the ids of the stored rows, and why others are not stored."""
        sending = asyncio.run_coroutine_threadsafe(self._send_all(window, latest), loop)
        try:
            results = sending.result(2 * ACK_TIME)
        except TimeoutError:
            sending.cancel()
            return [], RefusedError("the process is too slow to publish announcements, or it ends")
        stored = []
        refusal = None
        for row, error in zip(window, results, strict=True):
            if error is None:
                stored.append(row.id)
            elif is_too_large(error):
                self._hold(row)
            else:
                refusal = RefusedError(explained(error, self._subject, ACK_TIME))
        return stored, refusal

    async def _send_all(self, window: Sequence[OutboxRow], latest: float) -> list[Exception | None]:
        """Publish the rows; return for each the error, or None if a stream has stored it."""
        return await asyncio.gather(*(self._send(row, latest) for row in window))

    async def _send(self, row: OutboxRow, latest: float) -> Exception | None:
        # A process that was stopped must not publish what another one has published since.
        if time.monotonic() > latest:
            return TimeoutError()
        body = windows.body(row)
        if len(body) + _HEADERS_SIZE > self._client.max_payload:
            return MaxPayloadError()
        try:
            await self._jetstream.publish(
                self._subject, body, timeout=ACK_TIME, headers=windows.headers(row)
            )
        except PUBLISH_ERRORS as error:
            return error
        return None

    def _hold(self, row: OutboxRow) -> None:
        if not self._held:
            self._restart = time.monotonic() + REFUSED_PAUSE
        self._held |= windows.keys(row)

    def _held_problem(self) -> str:
        if not self._held:
            return ""
        return (
            "NATS refuses announcements because of their size: raise max_payload of the server and "
            f"max_msg_size of the stream that holds {self._subject}"
        )
