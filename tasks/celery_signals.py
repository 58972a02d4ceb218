"""Handlers of Celery's signals: logging, error reports, trace ids, metrics, heartbeats."""

import time
from contextlib import suppress
from typing import Any, Final

from celery import signals, states
from redis.exceptions import RedisError

from pipeline.catalog.schema_version import log_schemas
from pipeline.runtime import trace
from pipeline.runtime.logs import configure_logging
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.sentry import init_sentry
from pipeline.runtime.start_log import log_start
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.load import load_settings
from pipeline.warm_up import warm_up
from tasks.redis_state import catalogue_generation, heartbeats
from tasks.redis_state.queue_lengths import SENT_HEADER
from tasks.worker_report import ReportSource
from tasks.worker_resources import worker_resources

TRACE_HEADER: Final = "acoustid_trace_id"

_metrics: Final = PerProcess(lambda: connect_metrics(load_settings().statsd))

_reports: Final = PerProcess(lambda: ReportSource(worker_resources))


def connect() -> None:
    """Connect the handlers. A second call changes nothing."""
    # In every process that publishes: front ends, workers, beat, commands.
    signals.before_task_publish.connect(_send_trace_id)
    signals.before_task_publish.connect(_send_time)
    signals.after_task_publish.connect(_count_publishing)
    # In workers and beat.
    signals.setup_logging.connect(_configure_logging)
    signals.celeryd_init.connect(_report_errors)
    signals.beat_init.connect(_report_errors)
    signals.beat_init.connect(_follow_beat)
    # In workers.
    signals.celeryd_init.connect(_compile)
    signals.celeryd_after_setup.connect(_log_start)
    signals.task_prerun.connect(_bind_trace_id)
    signals.task_postrun.connect(_clear_trace_id)
    signals.task_prerun.connect(_begin_change)
    signals.task_postrun.connect(_end_change)
    signals.heartbeat_sent.connect(_store_heartbeat)


def publisher_metrics() -> Metrics:
    """Return the metrics of this process for published tasks."""
    return _metrics.get()


def _send_trace_id(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    headers[TRACE_HEADER] = trace.current_trace_id() or trace.new_trace_id()


def _send_time(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    headers[SENT_HEADER] = time.time()


def _count_publishing(sender: str, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    publisher_metrics().task_enqueued(sender)


def _configure_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    configure_logging(load_settings().logging, component="worker")


def _report_errors(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    init_sentry(load_settings(), component="worker")


def _compile(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # Otherwise the first lookup would compile the loops and exceed its deadline.
    warm_up(index=load_settings().fingerprint_index.protocol == "local")


def _log_start(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    settings = load_settings()
    log_start(settings)
    log_schemas(settings)


def _bind_trace_id(task: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    trace.bind_trace_id(task.request.get(TRACE_HEADER))


def _clear_trace_id(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    trace.clear_trace_id()


def _begin_change(task: Any, task_id: str, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    catalogue_generation.task_begins(worker_resources().redis, task.name, task_id)


def _end_change(task: Any, task_id: str, state: str, retval: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    succeeded = state == states.SUCCESS
    catalogue_generation.task_ended(
        worker_resources().redis, task.name, task_id, retval, succeeded=succeeded
    )


def _follow_beat(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # Not stored here: a beat process that ends at every start, or that waits for the lock of
    # another one, publishes nothing.
    signals.after_task_publish.connect(_store_beat)


def _store_beat(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    with suppress(RedisError):
        heartbeats.store_beat(worker_resources().redis)


def _store_heartbeat(sender: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # While Redis is unreachable, the health check fails anyway.
    with suppress(RedisError):
        queues = tuple(sender.eventer.app.amqp.queues.consume_from)
        report = _reports.get().report(sender.eventer.hostname, queues)
        heartbeats.store(worker_resources().redis, report)
