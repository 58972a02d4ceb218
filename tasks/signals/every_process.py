"""Handlers for every process that publishes tasks: trace ids, times, metrics, logging, umask."""

import os
import time
from typing import Any, Final

from celery import signals

from pipeline.runtime import trace
from pipeline.runtime.logs import configure_logging
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.load import load_settings
from tasks.clocks.message_times import stamp
from tasks.clocks.shared_clock import clock_of
from tasks.imports.message_ids import submission_ids
from tasks.redis_state.import_backlog import IDS_HEADER

TRACE_HEADER: Final = "acoustid_trace_id"

_UMASK: Final = 0o077
"""Only the user of a worker or of beat may read their new files."""

_clock: Final = PerProcess(lambda: clock_of(load_settings().redis))
_metrics: Final = PerProcess(lambda: connect_metrics(load_settings().statsd))


def connect() -> None:
    """Connect the handlers. A second call changes nothing."""
    # In every process that publishes: front ends, workers, beat, commands.
    signals.before_task_publish.connect(_send_trace_id)
    signals.before_task_publish.connect(_send_time)
    signals.before_task_publish.connect(_send_submission_ids)
    signals.after_task_publish.connect(_count_publishing)
    # In workers and beat.
    signals.setup_logging.connect(_configure_logging)
    signals.celeryd_init.connect(_restrict_new_files)
    signals.beat_init.connect(_restrict_new_files)


def publisher_metrics() -> Metrics:
    """Return the metrics of this process for published tasks."""
    return _metrics.get()


def _send_trace_id(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    headers[TRACE_HEADER] = trace.current_trace_id() or trace.new_trace_id()


def _send_time(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    stamp(headers, _clock.get().now(), time.time())


def _send_submission_ids(sender: str, headers: dict[str, Any], body: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    if sender.startswith("submission."):
        headers[IDS_HEADER] = submission_ids(body[0])


def _count_publishing(sender: str, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    publisher_metrics().task_enqueued(sender)


def _configure_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    configure_logging(load_settings().logging, component="worker")


def _restrict_new_files(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    os.umask(_UMASK)
