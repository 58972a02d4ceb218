"""Sends the heartbeat of the process ``acoustid ingest nats`` to Redis, and its metrics."""

import time
from typing import Final

import redis
import structlog

from nats_bridge.process.process_state import ProcessState
from nats_bridge.process.resources import Resources
from pipeline.catalog.ingest import outbox
from pipeline.runtime.databases import DATABASE_UNUSABLE
from pipeline.runtime.periodic_thread import PeriodicThread
from pipeline.runtime.statsd_metrics import Metrics
from tasks.redis_state import ingest_reports
from tasks.redis_state.ingest_reports import IngestReport

EVERY: Final = 2.0
"""Seconds between two heartbeats, as of a worker."""

MEASURED_EVERY: Final = 6.0
"""Seconds between two counts of the announcements that wait."""

CLOSE_TIME: Final = 3.0
"""Seconds to wait for the last heartbeat at the end."""

logger = structlog.get_logger("acoustid.nats_bridge.process.heartbeat")


class Heartbeat:
    """Sends heartbeats until `close`.

    Args:
        resources: the Redis client and the metrics.
        state: the state of this process.
    """

    def __init__(self, resources: Resources, state: ProcessState) -> None:
        self._resources = resources
        self._state = state
        self._sent: IngestReport | None = None
        self._next = 0.0
        self._thread = PeriodicThread("heartbeat", self._beat, EVERY, is_first_at_once=True)

    def close(self, *, forget: bool = False) -> None:
        """End the thread after its current heartbeat.

        Args:
            forget: delete the heartbeat, since the process has done its work.
        """
        self._thread.close(CLOSE_TIME)
        report = self._state.report()
        _send_metrics(self._resources.metrics, report, self._sent)
        try:
            if forget:
                ingest_reports.remove(self._resources.redis, report.host, report.pid)
        except redis.RedisError:
            logger.debug("the heartbeat is not deleted: Redis is unreachable")

    def _beat(self) -> None:
        self._measure_outbox()
        report = self._state.report()
        _send_metrics(self._resources.metrics, report, self._sent)
        self._sent = report
        try:
            ingest_reports.store(self._resources.redis, report)
        except redis.RedisError as error:
            logger.debug("no heartbeat: Redis is unreachable", error=type(error).__name__)

    def _measure_outbox(self) -> None:
        """Measure the announcements that wait, at intervals."""
        if not self._resources.settings.nats.publish_subject or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + MEASURED_EVERY
        try:
            with self._resources.databases.engine("ingest").connect() as connection:
                self._state.outbox = outbox.measure(connection)
        except DATABASE_UNUSABLE as error:
            self._state.outbox = None
            logger.debug("the outbox is not measured", error=type(error).__name__)


def _send_metrics(metrics: Metrics, now: IngestReport, before: IngestReport | None) -> None:
    """Send the growth of the counters since the last time, and the gauges."""
    last = before or IngestReport(now.host, now.pid)
    metrics.nats_messages("received", now.received - last.received)
    metrics.nats_messages("redelivered", now.redelivered - last.redelivered)
    metrics.nats_messages("refused", now.refused - last.refused)
    metrics.nats_messages("retried", now.retried - last.retried)
    metrics.nats_announced(now.announced - last.announced)
    metrics.nats_reconnects(now.reconnects - last.reconnects)
    if now.waiting is not None:
        metrics.nats_waiting(now.waiting)
    if now.unacknowledged is not None:
        metrics.nats_unacknowledged(now.unacknowledged)
    if now.announcements is not None:
        metrics.nats_announcements_waiting(now.announcements)
