"""Handlers for beat: error reports, and the key in Redis that shows that beat publishes."""

from contextlib import suppress
from typing import Any, Final

from celery import signals
from redis.exceptions import RedisError

from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect as connect_redis
from pipeline.runtime.sentry import init_sentry
from pipeline.settings.load import load_settings
from tasks.clocks.shared_clock import clock_of
from tasks.redis_state import heartbeats
from tasks.signals.every_process import publisher_metrics

_redis: Final = PerProcess(lambda: connect_redis(load_settings().redis))


def connect() -> None:
    """Connect the handlers. A second call changes nothing."""
    signals.beat_init.connect(_report_errors)
    signals.beat_init.connect(_follow_publishing)


def _report_errors(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    init_sentry(load_settings(), component="worker")


def _follow_publishing(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    # Not stored here: a beat process that ends at every start, or that waits for the lock of
    # another one, publishes nothing.
    signals.after_task_publish.connect(_store_time)


def _store_time(**_: Any) -> None:  # noqa: ANN401 - Celery's arguments
    difference = clock_of(load_settings().redis).difference()
    publisher_metrics().clock_difference("beat", difference)
    with suppress(RedisError):
        heartbeats.store_beat(_redis.get(), difference)
