"""Batchers for the tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import LOST_AFTER, POLL, LookupBatcher
from pipeline.messages import LookupBatch
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics
from pipeline.settings.sections import RedisSettings
from tasks import dispatch
from tasks.clocks.shared_clock import clock_of


def make_batcher(
    settings: RedisSettings,
    policy: BatchPolicy,
    send: Callable[[LookupBatch], None],
    metrics: Metrics,
    lost_after: float = LOST_AFTER,
) -> LookupBatcher:
    """Return a batcher that reads replies from a Redis."""
    waiting = partial(connect, settings, blocking=True, wait=POLL, keeps_connection=True)
    clock = clock_of(settings).now
    return LookupBatcher(policy, waiting, send, metrics, clock=clock, lost_after=lost_after)


@contextmanager
def batcher_for_workers(
    settings: RedisSettings,
    metrics: Metrics,
    send: Callable[[LookupBatch], None] = dispatch.send_lookups,
) -> Iterator[LookupBatcher]:
    """Return a batcher that sends to the workers; it is closed at the end of the block."""
    batcher = make_batcher(
        settings, BatchPolicy(size=100, in_flight=2, hold_back=0.025), send, metrics
    )
    try:
        yield batcher
    finally:
        batcher.close()
