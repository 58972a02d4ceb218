"""The exchange of lookups with the workers: batches go into a queue, replies come from a list.

A batch costs the workers the same, whether it carries one lookup or a hundred, so the lookups of
many requests share one. `BatchPolicy` says when a batch is sent, and `FairQueue` which requests it
carries.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import redis
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from api.http.errors import ApiError, InternalError, ServiceUnavailableError
from api.lookups.batch_policy import BatchPolicy
from api.lookups.fair_queue import FairQueue
from api.lookups.pending import Answer, Batch, PendingRequest
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.metrics import Metrics
from pipeline.runtime.trace import current_trace_id, trace
from tasks.redis_state import lookup_replies

LOST_AFTER: Final = 2.0
"""Seconds after which an unanswered batch is sent once more: its worker may have been killed."""

BACKLOG: Final = 20
"""Full batches' worth of unanswered lookups beyond which further ones are refused at once."""

POLL: Final = 1.0
"""Seconds that the reader waits for a reply before it looks whether it is to stop."""

PAUSE: Final = 0.2
"""Seconds that the reader pauses when Redis is away."""

_BROKER_AWAY: Final = (OperationalError, RedisError)

logger = structlog.get_logger("acoustid.api.lookups")


class LookupBatcher:
    """Sends the lookups of many request threads in few batches, and wakes the requests.

    It has two threads, which start with the first lookup: one sends batches, one reads replies.
    The fair queue and the batches in flight are guarded by one lock, which two conditions share.

    Args:
        policy: when batches are sent, and how large they are.
        connect: returns a client for commands that wait `POLL` seconds and are not repeated. It is
            called by the thread that reads replies: a client may connect at once.
        send: publishes a batch; raises `kombu.exceptions.OperationalError` or `redis.RedisError`
            without a broker.
        metrics: where batches are counted.
        lost_after: seconds after which an unanswered batch is sent once more.
    """

    def __init__(
        self,
        policy: BatchPolicy,
        connect: Callable[[], redis.Redis],
        send: Callable[[LookupBatch], None],
        metrics: Metrics,
        *,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._policy = policy
        self._connect = connect
        self._client: redis.Redis | None = None
        self._send = send
        self._metrics = metrics
        self._lost_after = lost_after
        self.reply_to = lookup_replies.reply_key()
        self._lock = threading.Lock()
        self._may_send = threading.Condition(self._lock)  # the sender waits for it
        self._is_in_flight = threading.Condition(self._lock)  # the reader waits for it
        self._queue = FairQueue()
        self._in_flight: dict[str, Batch] = {}  # by id
        self._unanswered = 0  # lookups of all requests that wait for their answers
        self._closing = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def run(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order.

        Args:
            lookups: at least one; their `request` is set here.
            meta: the words of the request's ``meta`` parameter.
            deadline: when the request gives up, on the monotonic clock.
            client: the client's id in the fair queue.

        Raises:
            ServiceUnavailableError: the broker is away, too many lookups wait already, or no
                answer came in time.
            InternalError: the batch could not be answered.
        """
        request = PendingRequest(lookups, meta, deadline, client, current_trace_id())
        self._add(request)
        try:
            return request.answers.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise ServiceUnavailableError from None
        finally:
            self._remove(request)

    @property
    def waiting(self) -> int:
        """The number of requests that are not in a batch yet."""
        with self._lock:
            return len(self._queue)

    def close(self) -> None:
        """Stop both threads; all requests that still wait fail with `ServiceUnavailableError`."""
        with self._lock:
            self._closing.set()
            rest = [Batch(list(self._queue), 0.0), *self._in_flight.values()]
            self._queue.clear()
            self._in_flight.clear()
            self._may_send.notify_all()
            self._is_in_flight.notify_all()
            threads = list(self._threads.values())
        for batch in rest:
            batch.fail(ServiceUnavailableError)
        for thread in threads:
            thread.join(POLL + PAUSE + 1)
        if self._client is not None:
            self._client.close()

    def _add(self, request: PendingRequest) -> None:
        with self._lock:
            backlog = self._unanswered + len(request.lookups)
            if self._closing.is_set() or backlog > BACKLOG * self._policy.size:
                raise ServiceUnavailableError
            self._ensure_thread("sender", self._send_batches)
            self._ensure_thread("reader", self._read_replies)
            self._queue.add(request)
            self._unanswered = backlog
            # The first one wakes the sender even too early: it has to learn until when to wait.
            if len(self._queue) == 1:
                self._may_send.notify()
            else:
                self._wake_sender()

    def _remove(self, request: PendingRequest) -> None:
        with self._lock:
            self._unanswered -= len(request.lookups)
            self._queue.remove(request)

    def _ensure_thread(self, role: str, run: Callable[[], None]) -> None:
        thread = self._threads.get(role)
        if thread is not None and thread.is_alive():
            return
        if thread is not None:
            logger.error("a thread of the batcher died and is started again", role=role)
        thread = threading.Thread(target=run, name=f"lookup-{role}", daemon=True)
        self._threads[role] = thread
        thread.start()

    def _send_at(self, now: float) -> float:
        sent = [batch.sent for batch in self._in_flight.values()]
        return self._policy.send_at(self._queue.lookups, sent, now)

    def _wake_sender(self) -> None:
        """Wake the sender where a batch may be sent; with the lock held."""
        now = time.monotonic()
        if self._send_at(now) <= now:
            self._may_send.notify()

    # The sender

    def _send_batches(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._publish(batch)

    def _next_batch(self) -> Batch | None:
        """Wait for the next batch to send; None at the end."""
        with self._lock:
            while not self._closing.is_set():
                now = time.monotonic()
                send_at = self._send_at(now)
                if send_at <= now:
                    batch = Batch(self._queue.take(self._policy.size), now)
                    self._in_flight[batch.id] = batch
                    return batch
                not_resent = (each for each in self._in_flight.values() if not each.resent)
                oldest = min(not_resent, key=lambda batch: batch.sent, default=None)
                resend_at = math.inf if oldest is None else oldest.sent + self._lost_after
                if oldest is not None and resend_at <= now:
                    oldest.resent = True
                    return oldest
                until = min(send_at, resend_at)
                self._may_send.wait(None if math.isinf(until) else until - now)
        return None

    def _publish(self, batch: Batch) -> None:
        trace_ids = batch.trace_ids
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            try:
                self._send(batch.message(self.reply_to))
            except _BROKER_AWAY as error:
                logger.error("the broker is away", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                self._fail_unless_resent(batch, ServiceUnavailableError)
            except Exception:
                logger.exception("a batch could not be sent", lookups=batch.size)
                self._fail_unless_resent(batch, InternalError)
            else:
                self._note_sent(batch)
                # Only now: a reader that wakes earlier competes with this thread for the
                # interpreter while the message is made.
                with self._lock:
                    self._is_in_flight.notify()

    def _fail_unless_resent(self, batch: Batch, make_error: Callable[[], ApiError]) -> None:
        """Fail a batch that could not be sent; the first copy of a resent one may be answered."""
        if not batch.resent:
            self._fail(batch, make_error)

    def _note_sent(self, batch: Batch) -> None:
        if batch.resent:
            logger.warning("a batch is sent once more", batch=batch.id, lookups=batch.size)
            return
        self._metrics.batch_size("front_end", batch.size)
        logger.debug("lookups sent", batch=batch.id, lookups=batch.size, requests=batch.trace_ids)

    # The reader

    def _read_replies(self) -> None:
        while self._wait_for_batch():
            try:
                reply = self._pop()
            except RedisError as error:
                logger.error("redis is away: no replies", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                self._closing.wait(PAUSE)
            except Exception:
                logger.exception("a reply could not be read")
                self._closing.wait(PAUSE)
            else:
                if reply is not None:
                    self._take(reply)
            self._drop_overdue()

    def _pop(self) -> LookupReply | None:
        if self._client is None:
            self._client = self._connect()
        return lookup_replies.pop(self._client, self.reply_to, POLL)

    def _wait_for_batch(self) -> bool:
        """Wait until a batch is in flight; return whether to go on."""
        with self._lock:
            while not self._in_flight and not self._closing.is_set():
                self._is_in_flight.wait()
            return not self._closing.is_set()

    def _take(self, reply: LookupReply) -> None:
        """Wake the requests of an answered batch."""
        batch = self._take_out(reply.id)
        if batch is None:
            return  # it was answered before, or all its requests gave up
        if reply.failed or len(reply.answers) != batch.size:
            logger.error(
                "a batch was not answered", batch=reply.id, failed=reply.failed, lookups=batch.size
            )
            batch.fail(ServiceUnavailableError if reply.transient else InternalError)
        else:
            batch.answer(reply.answers)

    def _drop_overdue(self) -> None:
        """Forget the batches whose requests have all given up."""
        now = time.monotonic()
        with self._lock:
            overdue = [each.id for each in self._in_flight.values() if each.deadline < now]
        dropped = [each for each in overdue if self._take_out(each) is not None]
        if dropped:
            logger.warning("batches were not answered in time", batches=len(dropped))

    def _fail(self, batch: Batch, make_error: Callable[[], ApiError]) -> None:
        if self._take_out(batch.id) is not None:
            batch.fail(make_error)

    def _take_out(self, batch_id: str) -> Batch | None:
        """Return a batch that is no longer in flight; None where another thread took it before.

        Only the thread that gets it here wakes its requests, so each is woken once.
        """
        with self._lock:
            batch = self._in_flight.pop(batch_id, None)
            if batch is not None and len(self._queue):
                self._may_send.notify()  # perhaps too early: it has to learn until when to wait
        return batch
