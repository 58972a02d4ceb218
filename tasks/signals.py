"""What happens around tasks: logs and error reports set up, trace ids carried, heartbeats left."""

import time
from contextlib import suppress
from typing import Any, Final

from celery import signals, states
from redis.exceptions import RedisError

from pipeline.runtime import trace
from pipeline.runtime.logs import configure_logging
from pipeline.runtime.sentry import init_sentry
from pipeline.settings.load import load_settings
from pipeline.warm_up import warm_up
from tasks.redis_state import catalogue_generation, heartbeats
from tasks.redis_state.queue_lengths import SENT_HEADER
from tasks.worker import services

TRACE_HEADER: Final = "acoustid_trace_id"


def connect() -> None:
    """Connect the handlers; more than once changes nothing."""
    signals.setup_logging.connect(_configure_logging)
    signals.celeryd_init.connect(_report_errors)
    signals.celeryd_init.connect(_compile)
    signals.beat_init.connect(_report_errors)
    signals.before_task_publish.connect(_send_trace_id)
    signals.before_task_publish.connect(_send_time)
    signals.after_task_publish.connect(_count_publishing)
    signals.task_prerun.connect(_bind_trace_id)
    signals.task_postrun.connect(_clear_trace_id)
    signals.task_prerun.connect(_begin_change)
    signals.task_postrun.connect(_end_change)
    signals.heartbeat_sent.connect(_leave_heartbeat)


def _configure_logging(**_: Any) -> None:  # noqa: ANN401 - what Celery sends
    configure_logging(load_settings().logging, component="worker")


def _report_errors(**_: Any) -> None:  # noqa: ANN401 - what Celery sends
    init_sentry(load_settings(), component="worker")


def _compile(**_: Any) -> None:  # noqa: ANN401 - what Celery sends
    # An installation's first lookup compiles loops, for longer than it may take.
    warm_up(index=load_settings().fingerprint_index.protocol == "local")


def _send_trace_id(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    headers[TRACE_HEADER] = trace.current_trace_id() or trace.new_trace_id()


def _send_time(headers: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    headers[SENT_HEADER] = time.time()


def _count_publishing(sender: str, **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    services().metrics.task_enqueued(sender)


def _bind_trace_id(task: Any, **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    trace.bind_trace_id(task.request.get(TRACE_HEADER))


def _clear_trace_id(**_: Any) -> None:  # noqa: ANN401 - what Celery sends
    trace.clear_trace_id()


def _begin_change(task: Any, task_id: str, **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    catalogue_generation.task_begins(services().redis, task.name, task_id)


def _end_change(task: Any, task_id: str, state: str, retval: Any, **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    succeeded = state == states.SUCCESS
    catalogue_generation.task_ended(
        services().redis, task.name, task_id, retval, succeeded=succeeded
    )


def _leave_heartbeat(sender: Any, **_: Any) -> None:  # noqa: ANN401 - what Celery sends
    # A worker notices by itself that Redis is away, and the missing heartbeat is the message.
    with suppress(RedisError):
        heartbeats.leave(services().redis, sender.eventer.hostname)
