"""Handlers for workers: compiled loops, error reports, trace ids, heartbeats."""

from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from celery import signals, states
from redis.exceptions import RedisError

from pipeline.catalog.schema_version import log_schemas
from pipeline.runtime import trace
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.sentry import init_sentry
from pipeline.runtime.start_log import log_start
from pipeline.settings.load import load_settings
from pipeline.warm_up import warm_up
from tasks.clocks.redelivery_clock import use_shared_clock
from tasks.redis_state import catalogue_generation, heartbeats
from tasks.signals.every_process import TRACE_HEADER
from tasks.signals.worker_report import ReportSource
from tasks.worker_resources import worker_resources

_reports: Final = PerProcess(lambda: ReportSource(worker_resources))


def connect() -> None:
    """Connect the handlers. A second call changes nothing."""
    signals.celeryd_init.connect(_report_errors)
    signals.celeryd_init.connect(_compile)
    signals.celeryd_init.connect(use_shared_clock)
    signals.celeryd_after_setup.connect(_log_start)
    signals.task_prerun.connect(_bind_trace_id)
    signals.task_postrun.connect(_clear_trace_id)
    signals.task_prerun.connect(_begin_change)
    signals.task_postrun.connect(_end_change)
    signals.heartbeat_sent.connect(_store_heartbeat)


def _report_errors(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    init_sentry(load_settings(), component="worker")


def _compile(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # Otherwise the first lookup would compile the loops and exceed its deadline.
    warm_up(index=load_settings().fingerprint_index.searches_files)


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


def _store_heartbeat(sender: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # While Redis is unreachable, the health check fails anyway.
    with suppress(RedisError):
        queues = tuple(sender.eventer.app.amqp.queues.consume_from)
        report = _reports.get().report(sender.eventer.hostname, queues)
        difference = worker_resources().clock.difference()
        worker_resources().metrics.clock_difference("worker", difference)
        heartbeats.store(worker_resources().redis, replace(report, clock_difference=difference))
