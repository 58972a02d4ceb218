"""StatsD metrics: each method of `Metrics` sends one metric, or one with a label.

To add a metric, add a method to `Metrics`, call it at the event (the resources of workers and front
ends have the attribute `metrics`), and add its name to ``docs/metrics.md``. A test compares that
page with the methods.

Timings are sent in milliseconds, the unit of StatsD. ``api.request_duration_seconds`` is the public
service's name, and exporters to Prometheus convert ``ms`` timers to seconds.

A label is the last part of a name. It never contains text that a client sent: a text that is not a
single word (a path, an address, an unknown HTTP method) becomes ``other``.
"""

import re
from functools import lru_cache
from typing import Literal

import statsd
import structlog

from pipeline.settings.sections import StatsdSettings

Bucket = Literal["global", "app", "ip"]
Outcome = Literal["imported", "rejected", "failed"]
MessageOutcome = Literal["received", "redelivered", "refused", "retried"]
ClockOwner = Literal["front_end", "worker", "beat", "postgres"]
Gauge = Literal[
    "account_all",
    "account_musicbrainz",
    "account_openid",
    "account_active",
    "application_all",
    "format_all",
    "fingerprint_all",
    "track_mbid_all",
    "mbid_all",
    "track_all",
    "submission_all",
    "submission_unhandled",
]
"""The daily statistics of the public service, see `pipeline.catalog.app.daily_statistics`."""

OTHER = "other"
_METHODS = frozenset({"get", "head", "post", "put", "delete", "options", "patch"})
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
_UNFIT = re.compile(r"[^a-z0-9]+")

logger = structlog.get_logger("acoustid.runtime.statsd_metrics")


class _Client(statsd.StatsClient):  # type: ignore[misc] # statsd has no types
    """A UDP client that drops a packet when the socket's buffer is full."""

    def __init__(self, settings: StatsdSettings) -> None:
        ipv6 = settings.host is not None and ":" in settings.host
        super().__init__(settings.host, settings.port, settings.prefix, ipv6=ipv6)
        self._sock.settimeout(0)

    def close(self) -> None:
        """Close the socket; statsd ignores the error of a later packet."""
        self._sock.close()


def connect_metrics(settings: StatsdSettings) -> "Metrics":
    """Return the metrics of this process; without a host, or with an unknown one, metrics are off.

    The name of the host is resolved once, here. A failure is logged.
    """
    if settings.host is None:
        return Metrics()
    try:
        return Metrics(_Client(settings))
    except OSError as error:
        logger.warning("metrics are off: statsd host unknown", host=settings.host, error=error)
        return Metrics()


@lru_cache(maxsize=1024)  # there are few names, and each is used often
def label(text: str) -> str:
    """Return a text as a label of ``[a-z0-9_]``, or ``other`` if it is not a single word.

    >>> label("tasks.lookup.score"), label("/v2/lookup"), label("127.0.0.1")
    ('tasks_lookup_score', 'other', 'other')
    """
    lower = text.lower()
    return _UNFIT.sub("_", lower).strip("_") if _WORD.fullmatch(lower) else OTHER


class Metrics:
    """Counters, timers and gauges. No method raises an error or waits.

    Args:
        client: a client of the StatsD server; None sends nothing.
    """

    def __init__(self, client: statsd.StatsClient | None = None) -> None:
        self._client = client

    def api_request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count and time one HTTP request, successful or not.

        Args:
            endpoint: the handler's name (``lookup``), not the path of the request.
            method: the HTTP method.
            status: the HTTP status of the reply, 500 after an unexpected exception.
            seconds: time from the request's arrival to its reply.
        """
        if self._client is None:
            return
        verb = method.lower() if method.lower() in _METHODS else OTHER
        self._count("api.requests_total", label(endpoint), verb, str(int(status)))
        self._time(f"api.request_duration_seconds.{label(endpoint)}.{verb}", seconds)

    def lookup_search(self, *, hit: bool, partial: bool = False, excerpt: bool = False) -> None:
        """Count one search for a fingerprint, one match if it had any, and a partial answer.

        Args:
            hit: whether it had a match.
            partial: whether matches may have been left out.
            excerpt: whether the fingerprint was that of an excerpt.
        """
        kind = "excerpt" if excerpt else "lookup"
        self._count(f"api.{kind}.searches.total")
        if hit:
            self._count(f"api.{kind}.matches.total")
        if partial:
            self._count("api.lookup.partial_total")

    def second_chances(self, count: int, *, found: int) -> None:
        """Count second chances of lookups, and those of them that found a match."""
        self._count("api.lookup.second_chances.total", count=count)
        if found:
            self._count("api.lookup.second_chance_matches.total", count=found)

    def metadata_unavailable(self) -> None:
        """Count one batch of lookups whose answers have no metadata of MusicBrainz."""
        self._count("api.lookup.metadata_unavailable_total")

    def new_submissions(self, count: int = 1) -> None:
        """Count submissions received."""
        self._count("new_submissions", count=count)

    def submissions_ended(self, outcome: Outcome, count: int = 1) -> None:
        """Count submissions that reached a final state."""
        self._count(f"{outcome}_submissions", count=count)

    def imported_submissions(self, count: int = 1) -> None:
        """Count imported submissions."""
        self.submissions_ended("imported", count)

    def duration_mismatches(self, count: int = 1) -> None:
        """Count imported submissions with the MBID of a recording that does not fit in length."""
        if count:
            self._count("duration_mismatch_submissions", count=count)

    def handled_error(self, code: int) -> None:
        """Count one error reply, by its code in the public protocol."""
        self._count("api.handled_errors_total", str(int(code)))

    def unhandled_error(self) -> None:
        """Count one unexpected exception in a request."""
        self._count("api.unhandled_errors_total")

    def rate_limit_exceeded(self, bucket: Bucket) -> None:
        """Count one refused request, by the exceeded limit."""
        self._count("api.rate_limit_exceeded_total", label(bucket))

    def rate_limit_unavailable(self) -> None:
        """Count one request that was not checked because Redis was unreachable."""
        self._count("api.rate_limit_unavailable_total")

    def task_enqueued(self, task: str) -> None:
        """Count one task sent to its queue."""
        self._count("tasks_enqueued_total", label(task))

    def task_started(self, task: str) -> None:
        """Count one task that a worker started."""
        self._count("tasks_started_total", label(task))

    def task_finished(self, task: str, seconds: float) -> None:
        """Count and time one task that succeeded."""
        self._count("tasks_finished_total", label(task))
        self._time(f"tasks_duration.{label(task)}", seconds)

    def task_retried(self, task: str) -> None:
        """Count one task that will be retried."""
        self._count("tasks_retried_total", label(task))

    def transient_failure(self, cause: str) -> None:
        """Count one transient failure of a task, by the part of the installation at fault."""
        self._count("tasks_transient_failures_total", label(cause))

    def task_failed(self, task: str, seconds: float) -> None:
        """Count and time one task that failed and will not be retried."""
        self._count("tasks_failed_total", label(task))
        self._time(f"tasks_duration.{label(task)}", seconds)

    def batch_size(self, stage: str, count: int) -> None:
        """Count one batch and its items; the mean size is their ratio."""
        self._count("pipeline.batches_total", label(stage))
        self._count("pipeline.batch_items_total", label(stage), count=count)

    def queue_depth(self, queue: str, count: int) -> None:
        """Send the number of messages in a queue."""
        self._gauge(f"queue_depth.{label(queue)}", count)

    def queue_age(self, queue: str, seconds: float) -> None:
        """Send the age of the oldest message in a queue."""
        self._gauge(f"queue_age_seconds.{label(queue)}", seconds)

    def pending_submissions(self, count: int) -> None:
        """Send the number of submissions without a final state."""
        self._gauge("pending_submissions", count)

    def nats_messages(self, outcome: MessageOutcome, count: int) -> None:
        """Count messages of NATS by what happened to them."""
        if count:
            self._count("nats.messages_total", label(outcome), count=count)

    def nats_announced(self, count: int) -> None:
        """Count announcements of final states that a stream of NATS has stored."""
        if count:
            self._count("nats.announced_total", count=count)

    def nats_waiting(self, count: int) -> None:
        """Send the number of messages in the stream that no process has received."""
        self._gauge("nats.waiting_messages", count)

    def nats_unacknowledged(self, count: int) -> None:
        """Send the number of messages that were received and are not acknowledged."""
        self._gauge("nats.unacknowledged_messages", count)

    def nats_announcements_waiting(self, count: int) -> None:
        """Send the number of announcements that wait."""
        self._gauge("nats.announcements_waiting", count)

    def nats_reconnects(self, count: int) -> None:
        """Count connections to NATS after the first one of a process."""
        if count:
            self._count("nats.reconnects_total", count=count)

    def musicbrainz_replication(self, sequence: int | None, lag: float | None) -> None:
        """Send up to which packet the copy follows MusicBrainz, and how far it is behind.

        Args:
            sequence: the number of the last packet; None, if it is not known, sends nothing.
            lag: seconds since the time of that packet; None, if it is not known, sends nothing.
        """
        if sequence is not None:
            self._gauge("musicbrainz_replication_sequence", sequence)
        if lag is not None:
            # StatsD takes a negative value for a difference. A clock may be behind.
            self._gauge("musicbrainz_replication_lag_seconds", max(0.0, lag))

    def clock_difference(self, process: ClockOwner, seconds: float | None) -> None:
        """Time the difference between the clock of a host and that of Redis, without its sign.

        Args:
            process: whose host has the clock.
            seconds: the difference; None, if it is not known, sends nothing.
        """
        if seconds is not None:
            self._time(f"clock_difference.{process}", abs(seconds))

    def pruned(self, kind: str, count: int) -> None:
        """Count rows that the retention has deleted or whose address it has removed."""
        self._count("retention.pruned_total", label(kind), count=count)

    def gauge(self, stat: Gauge, value: float) -> None:
        """Send one of the daily statistics."""
        self._gauge(stat, value)

    def close(self) -> None:
        """Close the socket; later metrics are dropped."""
        if self._client is not None:
            self._client.close()

    def _count(self, name: str, *labels: str, count: int = 1) -> None:
        if self._client is not None:
            self._client.incr(".".join((name, *labels)), count)

    def _time(self, name: str, seconds: float) -> None:
        if self._client is not None:
            self._client.timing(name, seconds * 1000)

    def _gauge(self, name: str, value: float) -> None:
        if self._client is not None:
            self._client.gauge(name, value)
