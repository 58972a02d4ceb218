"""Group commit for lookups: what waits together travels together.

A chain of tasks costs the same whether it carries one lookup or a hundred. While no batch is out, a
lookup that comes is sent at once; otherwise it waits, and the next batch takes all that waited. A
lone client is never held back, at high load the batches grow: while the requests of an answered
batch are woken, new ones are on their way, and travel together.
"""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import redis
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from api.departures import Departures
from api.errors import ApiError, InternalError, ServiceUnavailableError
from api.flight import Answer, Flight, Relay, Ticket
from pipeline.runtime.metrics import Metrics
from pipeline.runtime.settings import ApiSettings
from pipeline.runtime.trace import current_trace_id, trace
from pipeline.stages.messages import Lookup, LookupBatch, LookupReply
from tasks import replies

STALLED_AFTER: Final = 1.0
"""Seconds after which an unanswered batch no longer holds others back."""

LOST_AFTER: Final = 2.0
"""Seconds after which an unanswered batch is sent once more.

The broker hands a killed worker's batch to another one too, but after its clients have gone.
"""

BACKLOG: Final = 20
"""Full batches' worth of unanswered lookups beyond which further ones are refused at once."""

POLL: Final = 1.0
"""Seconds that the reader waits at Redis before it looks around."""

AFTER_FAILURE: Final = 0.2
"""Seconds that the reader rests when Redis is away."""

Send = Callable[[LookupBatch], None]

logger = structlog.get_logger("acoustid.api.batcher")


class LookupBatcher:
    """Sends the lookups of many request threads in few batches, and wakes who waits.

    Two threads do so, started with the first lookup: one gathers and sends, one reads replies. A
    child process that inherits a batcher begins afresh with a reply list of its own.

    Args:
        settings: batch size, batches in flight.
        client: to Redis, for commands that wait `POLL` seconds; it sends none again.
        send: publishes a batch; raises `kombu.exceptions.OperationalError` without a broker.
        metrics: where batches are counted.
        stalled_after: seconds after which an unanswered batch no longer holds others back.
        lost_after: seconds after which an unanswered batch is sent once more.
    """

    def __init__(
        self,
        settings: ApiSettings,
        client: redis.Redis,
        send: Send,
        metrics: Metrics,
        *,
        stalled_after: float = STALLED_AFTER,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._size = settings.lookup_batch_size
        self._departures = partial(
            Departures,
            self._size,
            settings.lookup_batches_in_flight,
            stalled_after=stalled_after,
            lost_after=lost_after,
        )
        self._client = client
        self._send = send
        self._metrics = metrics
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def run(
        self, lookups: Sequence[Lookup], meta: str, timeout: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order.

        Args:
            lookups: at least one; their `request` is set here.
            meta: the words of the request's ``meta`` parameter.
            timeout: seconds to wait for the answers.
            client: who asks; where more waits than fits, clients take turns.

        Raises:
            ServiceUnavailableError: the broker is away, too much waits already, or no answer
                came in time.
            InternalError: the batch could not be answered.
        """
        deadline = time.monotonic() + timeout
        ticket = Ticket(lookups, meta, deadline, current_trace_id(), client)
        self._queue(ticket)
        ticket.wait(timeout)
        self._leave(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.answers

    def close(self) -> None:
        """Stop both threads; whoever still waits is told to come again."""
        with self._lock:
            self._closing = True
            tickets = list(self._timetable.tickets())
            self._timetable.clear()
            self._work.notify_all()
            self._flying.notify_all()
            threads = [thread for thread in self._threads.values() if thread.is_alive()]
        for ticket in tickets:
            ticket.fail(ServiceUnavailableError())
        self._wake.set()
        for thread in threads:
            thread.join(POLL + AFTER_FAILURE + 1)
        self._client.close()

    def _begin(self) -> None:
        self.reply_to = replies.reply_key()
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)  # for the sender
        self._flying = threading.Condition(self._lock)  # for the reader
        self._wake = threading.Event()  # cuts the reader's rest short
        self._timetable = self._departures()
        self._threads: dict[str, threading.Thread] = {}
        self._unanswered = 0
        self._closing = False

    def _queue(self, ticket: Ticket) -> None:
        with self._lock:
            if self._closing or self._unanswered + len(ticket.lookups) > BACKLOG * self._size:
                raise ServiceUnavailableError
            self._ensure_thread("sender", self._send_batches)
            self._ensure_thread("reader", self._read_replies)
            self._timetable.add(ticket)
            self._unanswered += len(ticket.lookups)
            if self._timetable.waiting == 1 or self._timetable.is_time(time.monotonic()):
                self._work.notify()  # to send, or to look up until when the first one is held back

    def _leave(self, ticket: Ticket) -> None:
        with self._lock:
            self._unanswered -= len(ticket.lookups)
            if ticket.error is not None:
                self._timetable.remove(ticket)

    def _ensure_thread(self, role: str, run: Callable[[], None]) -> None:
        thread = self._threads.get(role)
        if thread is not None and thread.is_alive():
            return
        if thread is not None:
            logger.error("a thread of the batcher died and is started again", role=role)
        thread = threading.Thread(target=run, name=f"lookup-{role}", daemon=True)
        self._threads[role] = thread
        thread.start()

    # The sender

    def _send_batches(self) -> None:
        while True:
            with self._lock:
                while (flight := self._next_flight(time.monotonic())) is None:
                    if self._closing:
                        return
                    self._work.wait(self._timetable.until_next(time.monotonic()))
            self._publish(flight)

    def _next_flight(self, now: float) -> Flight | None:
        return self._timetable.take(now) or self._timetable.take_lost(now)

    def _publish(self, flight: Flight) -> None:
        trace_ids = flight.trace_ids
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            try:
                self._send(flight.batch(self.reply_to))
            except OperationalError as error:
                logger.error("the broker is away", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                self._give_up(flight, ServiceUnavailableError())
            except Exception:
                logger.exception("a batch could not be sent", lookups=flight.size)
                self._give_up(flight, InternalError())
            else:
                self._note(flight)
                # Not before: the reader would take the interpreter from who sends.
                with self._lock:
                    self._flying.notify()

    def _note(self, flight: Flight) -> None:
        if flight.repeated:
            logger.warning("a batch is sent once more", batch=flight.id, lookups=flight.size)
            return
        self._metrics.batch_size("front_end", flight.size)
        # For debugging alone: to log it costs half as much as to send it.
        logger.debug(
            "lookups sent", batch=flight.id, lookups=flight.size, requests=flight.trace_ids
        )

    def _give_up(self, flight: Flight, error: ApiError) -> None:
        with self._lock:
            self._timetable.land(flight.id)
            self._send_if_it_is_time()
        flight.fail(error)

    # The reader

    def _read_replies(self) -> None:
        while self._wait_for_flights():
            try:
                reply = replies.pop(self._client, self.reply_to, POLL)
            except RedisError as error:
                logger.error("redis is away: no replies", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                self._wake.wait(AFTER_FAILURE)
            except Exception:
                logger.exception("a reply could not be read")
                self._wake.wait(AFTER_FAILURE)
            else:
                if reply is not None:
                    self._settle(reply)
            self._forget_overdue()

    def _wait_for_flights(self) -> bool:
        """Wait until a batch is out; return whether to go on."""
        with self._lock:
            while not self._timetable.any_out and not self._closing:
                self._flying.wait()
            return not self._closing

    def _settle(self, reply: LookupReply) -> None:
        with self._lock:
            flight = self._timetable.land(reply.id)
        if flight is None:
            return  # all who asked have gone
        if reply.failed or len(reply.answers) != flight.size:
            logger.error(
                "a batch was not answered", batch=reply.id, failed=reply.failed, lookups=flight.size
            )
            self._give_up(flight, ServiceUnavailableError() if reply.transient else InternalError())
        else:
            self._hand_out(flight, reply.answers)

    def _hand_out(self, flight: Flight, answers: list[Answer]) -> None:
        relay = flight.settle(answers, self._all_are_awake)
        with self._lock:
            self._timetable.hold_for(relay, time.monotonic())
            if self._timetable.waiting:
                self._work.notify()
        relay.start()

    def _all_are_awake(self, relay: Relay) -> None:
        with self._lock:
            self._timetable.release(relay)
            self._send_if_it_is_time()

    def _send_if_it_is_time(self) -> None:
        """Wake the sender where there is something for it to do; with the lock held."""
        if self._timetable.is_time(time.monotonic()):
            self._work.notify()

    def _forget_overdue(self) -> None:
        with self._lock:
            overdue = self._timetable.drop_overdue(time.monotonic())
            self._send_if_it_is_time()
        if overdue:
            logger.warning("batches were not answered in time", batches=overdue)
