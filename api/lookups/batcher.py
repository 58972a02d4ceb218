"""Sends batches of lookups to the workers' queue, and reads the replies from a Redis list.

The workers need about the same time for a batch of one lookup as for a batch of a hundred, so the
lookups of many requests share a batch. `BatchPolicy` decides when a batch is sent. `FairQueue`
selects its requests.

A request passes these methods:

1. `LookupBatcher.look_up` adds it to the queue and waits, in the thread of the request.
2. ``_send_batches`` takes it from the queue and publishes its batch, in the sender thread.
3. ``_read_replies`` reads the reply and resolves the request's future, in the reader thread.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import redis
import structlog
from redis.exceptions import RedisError

from api.access.redis_outage import BROKER_UNREACHABLE, RedisCircuitBreaker
from api.http.errors import ApiError, InternalError, ServiceUnavailableError
from api.lookups.batch_policy import BatchPolicy
from api.lookups.fair_queue import FairQueue
from api.lookups.pending import Answer, Batch, PendingRequest
from pipeline.messages import Lookup, LookupBatch, LookupReply
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.runtime.trace import current_trace_id, trace
from tasks.redis_state import lookup_replies

LOST_AFTER: Final = 2.0
"""Seconds after which an unanswered batch is sent a second time, since its worker may be dead."""

BACKLOG: Final = 20
"""Maximum number of unanswered lookups, in full batches; further lookups are refused."""

POLL: Final = 1.0
"""Seconds that the reader waits for a reply before it checks whether it must stop."""

RETRY_DELAY: Final = 0.2
"""Seconds that the reader waits after a failed command of Redis."""

logger = structlog.get_logger("acoustid.api.lookups.batcher")


class LookupBatcher:
    """Sends the lookups of many request threads in few batches.

    It has two threads, the sender and the reader, which start at the first lookup. One lock guards
    the queue and the batches in flight. Each thread waits on a condition of this lock.

    Args:
        policy: decides when a batch is sent, and how many lookups it has.
        connect: returns a Redis client for commands that block for `POLL` seconds and are not
            repeated. The reader thread calls it, since it may connect.
        send: publishes a batch; raises `BROKER_UNREACHABLE`.
        metrics: counts the batches.
        breaker: refuses lookups at once while Redis is known to be unreachable.
        clock: returns the clock of Redis in seconds since the epoch, for deadlines.
        lost_after: seconds after which an unanswered batch is sent a second time.
    """

    def __init__(
        self,
        policy: BatchPolicy,
        connect: Callable[[], redis.Redis],
        send: Callable[[LookupBatch], None],
        metrics: Metrics,
        breaker: RedisCircuitBreaker | None = None,
        *,
        clock: Callable[[], float],
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._policy = policy
        self._connect = connect
        self._client: redis.Redis | None = None
        self._failures = 0  # of Redis, when the client connected
        self._send = send
        self._metrics = metrics
        self._breaker = breaker or RedisCircuitBreaker()
        self._clock = clock
        self._lost_after = lost_after
        self.reply_to = lookup_replies.reply_key()
        self._lock = threading.Lock()
        self._sender_wakeup = threading.Condition(self._lock)
        self._reader_wakeup = threading.Condition(self._lock)
        self._queue = FairQueue()
        self._in_flight: dict[str, Batch] = {}  # by id
        self._unanswered = 0  # lookups of all requests that wait in `look_up`
        self._closing = threading.Event()
        self._threads: dict[str, threading.Thread] = {}

    def look_up(
        self, lookups: Sequence[Lookup], meta: str, deadline: float, client: str = ""
    ) -> list[Answer]:
        """Return the answers to a request's lookups, in their order.

        Args:
            lookups: the lookups, at least one. This method sets their attribute `request`.
            meta: the words of the request's ``meta`` parameter.
            deadline: time at which the request times out, on the monotonic clock.
            client: the id of the client in the fair queue.

        Raises:
            ServiceUnavailableError: the broker is unreachable, too many lookups wait, or no answer
                arrived before the deadline.
            InternalError: the batch failed.
        """
        attempt = self._breaker.attempt()
        if not attempt:
            raise ServiceUnavailableError
        request = PendingRequest(lookups, meta, deadline, client, current_trace_id(), attempt)
        try:
            self._enqueue(request)
        except BaseException:
            self._breaker.withdraw(attempt)
            raise
        try:
            return request.future.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            raise ServiceUnavailableError from None
        finally:
            self._forget(request)

    def close(self) -> None:
        """Stop both threads; all pending requests fail with `ServiceUnavailableError`."""
        with self._lock:
            self._closing.set()
            unfinished = [Batch(list(self._queue), 0.0), *self._in_flight.values()]
            self._queue.clear()
            self._in_flight.clear()
            self._sender_wakeup.notify_all()
            self._reader_wakeup.notify_all()
            threads = list(self._threads.values())
        for batch in unfinished:
            batch.fail(ServiceUnavailableError)
        for thread in threads:
            thread.join(POLL + RETRY_DELAY + 1)
        if self._client is not None:
            self._client.close()

    def _enqueue(self, request: PendingRequest) -> None:
        with self._lock:
            unanswered = self._unanswered + len(request.lookups)
            if self._closing.is_set() or unanswered > BACKLOG * self._policy.size:
                raise ServiceUnavailableError
            self._ensure_thread("sender", self._send_batches)
            self._ensure_thread("reader", self._read_replies)
            self._queue.add(request)
            self._unanswered = unanswered
            # The first request always wakes the sender, which computes the time of the batch.
            if len(self._queue) == 1 or self._is_batch_due():
                self._sender_wakeup.notify()

    def _forget(self, request: PendingRequest) -> None:
        with self._lock:
            self._unanswered -= len(request.lookups)
            is_unsent = self._queue.remove(request)
        if is_unsent:
            self._breaker.withdraw(request.attempt)

    def _ensure_thread(self, role: str, run: Callable[[], None]) -> None:
        thread = self._threads.get(role)
        if thread is not None and thread.is_alive():
            return
        if thread is not None:
            logger.error("a thread of the batcher has died and is started again", role=role)
        thread = threading.Thread(target=run, name=f"lookup-{role}", daemon=True)
        self._threads[role] = thread
        thread.start()

    def _send_at(self, now: float) -> float:
        """Return the time at which the next batch is to be sent; the caller holds the lock."""
        sent = [batch.sent for batch in self._in_flight.values()]
        return self._policy.send_at(self._queue.weight, sent, now)

    def _is_batch_due(self) -> bool:
        now = time.monotonic()
        return self._send_at(now) <= now

    # The sender thread

    def _send_batches(self) -> None:
        while (batch := self._wait_for_batch_to_send()) is not None:
            self._publish(batch)

    def _wait_for_batch_to_send(self) -> Batch | None:
        """Wait until a batch is to be sent or sent again; return it, or None if closing."""
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
                # Without a batch there is no limit: a new request and `close` wake the sender.
                self._sender_wakeup.wait(None if math.isinf(until) else until - now)
        return None

    def _publish(self, batch: Batch) -> None:
        trace_ids = batch.trace_ids
        with trace(trace_ids[0] if len(trace_ids) == 1 else None):
            try:
                self._send(batch.message(self.reply_to, self._clock()))
            except BROKER_UNREACHABLE as error:
                logger.error("the broker is unreachable", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                self._breaker.failed(error, batch.attempt)
                self._fail_unless_resent(batch, ServiceUnavailableError)
                if not self._breaker.is_closed:
                    self._refuse_queued()
            except Exception:
                logger.exception("a batch could not be sent", lookups=batch.size)
                self._breaker.withdraw(batch.attempt)
                self._fail_unless_resent(batch, InternalError)
            else:
                self._breaker.succeeded()
                self._record_sent(batch)
                # The reader is woken only after the message is sent. Otherwise it would compete
                # with this thread for the interpreter lock.
                with self._lock:
                    self._reader_wakeup.notify()

    def _refuse_queued(self) -> None:
        """Fail the requests that were admitted before Redis was known to be unreachable."""
        with self._lock:
            queued = Batch(list(self._queue), 0.0)
            self._queue.clear()
        queued.fail(ServiceUnavailableError)

    def _fail_unless_resent(self, batch: Batch, make_error: Callable[[], ApiError]) -> None:
        """Fail a batch that could not be sent, unless its first message may be answered."""
        if not batch.resent and self._remove_in_flight(batch.id) is not None:
            batch.fail(make_error)

    def _record_sent(self, batch: Batch) -> None:
        if batch.resent:
            logger.warning("a batch was sent a second time", batch=batch.id, lookups=batch.size)
            return
        self._metrics.batch_size("front_end", batch.size)
        logger.debug("lookups sent", batch=batch.id, lookups=batch.size, requests=batch.trace_ids)

    # The reader thread

    def _read_replies(self) -> None:
        while self._wait_for_batch_in_flight():
            try:
                reply = self._read_reply()
            except RedisError as error:
                logger.error("Redis is unreachable: no replies", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
                if self._breaker.failures == self._failures:  # otherwise the link was old
                    self._breaker.failed(error)
                self._closing.wait(RETRY_DELAY)
            except Exception:
                logger.exception("a reply could not be read")
                self._closing.wait(RETRY_DELAY)
            else:
                if reply is not None:
                    self._deliver(reply)
            self._drop_expired_batches()

    def _wait_for_batch_in_flight(self) -> bool:
        """Wait until a batch is in flight; return False if closing."""
        with self._lock:
            while not self._in_flight and not self._closing.is_set():
                self._reader_wakeup.wait()  # no limit: the sender and `close` wake the reader
            return not self._closing.is_set()

    def _read_reply(self) -> LookupReply | None:
        failures = self._breaker.failures
        if self._client is not None and failures != self._failures:
            self._client.close()  # its link may be dead, and a wait for it would delay the replies
            self._client = None
        if self._client is None:
            self._failures = failures
            self._client = self._connect()
        return lookup_replies.pop(self._client, self.reply_to, POLL)

    def _deliver(self, reply: LookupReply) -> None:
        """Resolve the requests of the batch that a reply belongs to."""
        batch = self._remove_in_flight(reply.id)
        if batch is None:
            return  # it has been answered, or all its requests have timed out
        if reply.failed or len(reply.answers) != batch.size:
            # The worker has logged a temporary reason.
            log = logger.debug if reply.transient else logger.error
            log("a batch was not answered", batch=reply.id, failed=reply.failed, lookups=batch.size)
            batch.fail(ServiceUnavailableError if reply.transient else InternalError)
        else:
            batch.resolve(reply.answers)

    def _drop_expired_batches(self) -> None:
        """Remove the batches whose requests have all timed out."""
        now = time.monotonic()
        with self._lock:
            expired = [each.id for each in self._in_flight.values() if each.deadline < now]
        dropped = [each for each in expired if self._remove_in_flight(each) is not None]
        if dropped:
            logger.warning("batches were not answered in time", batches=len(dropped))

    def _remove_in_flight(self, batch_id: str) -> Batch | None:
        """Remove a batch from those in flight, and return it; None if it has been removed before.

        Only the thread that gets the batch resolves its requests, so each is resolved once.
        """
        with self._lock:
            batch = self._in_flight.pop(batch_id, None)
            if batch is not None and len(self._queue):
                self._sender_wakeup.notify()  # it computes the time of the next batch again
        return batch
