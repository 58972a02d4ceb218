"""What a front-end process has: settings, databases, Redis, the batcher, and their end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import redis
from redis.exceptions import RedisError

from api.access.keys import Keys
from api.access.rate_limit import RateLimiter
from api.access.redis_outage import RedisWatch
from api.health import HealthChecks
from api.lookups.answer_cache import AnswerCache
from api.lookups.background import BackgroundLookups
from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import POLL, LookupBatcher
from api.lookups.tracked_generation import TrackedGeneration
from api.submissions.publisher import SubmissionPublisher
from api.submissions.receipts import ReceiptWriter
from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.metrics import Metrics, connect_metrics
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_counters import Counters
from pipeline.settings.sections import Settings
from tasks import queues
from tasks.fast_path.parts import FastPath
from tasks.redis_state import queue_lengths

REDIS_TIMEOUT = 1.0
"""Seconds to wait for Redis where somebody waits for us."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """How work is handed to the workers; `tasks.dispatch` has all of it.

    Attributes:
        send_lookups: publishes a batch.
        send_background: publishes a background lookup, under a task id.
        send_submissions: publishes receipts, by their ids.
    """

    send_lookups: Callable[[LookupBatch], None]
    send_background: Callable[[str, BackgroundLookup], None]
    send_submissions: Callable[[Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Services:
    """The resources of one front-end process; safe among its threads."""

    settings: Settings
    databases: Databases
    redis: redis.Redis
    metrics: Metrics
    keys: Keys
    limiter: RateLimiter
    batcher: LookupBatcher
    answer_cache: AnswerCache
    background: BackgroundLookups
    receipts: ReceiptWriter
    publisher: SubmissionPublisher
    counters: Counters
    health: HealthChecks

    def close(self) -> None:
        """Let whoever waits go, then close every connection."""
        self.batcher.close()
        self.receipts.close()
        self.publisher.close()
        self.health.close()
        self.counters.close()
        self.databases.dispose()
        self.redis.close()
        self.metrics.close()


def open_services(settings: Settings, dispatch: Dispatch) -> Services:
    """Return the resources of this process; nothing connects before it is used."""
    databases = Databases(settings, component="api")
    client = connect(settings.redis, timeout=REDIS_TIMEOUT)
    metrics = connect_metrics(settings.statsd)
    watch = RedisWatch()
    paths = FastPath.of(settings)
    waiting = partial(
        connect, settings.redis, blocking=True, wait=POLL, keeps_connection=paths.keeps_connection
    )
    policy = BatchPolicy(
        settings.api.lookup_batch_size,
        settings.api.lookup_batches_in_flight,
        settings.api.lookup_hold_back,
    )
    batcher = LookupBatcher(policy, waiting, dispatch.send_lookups, metrics)
    generation = TrackedGeneration(client, watch, caches=paths.caches_generation)
    return Services(
        settings=settings,
        databases=databases,
        redis=client,
        metrics=metrics,
        keys=Keys(databases, client, watch, demo=settings.features.demo_key),
        limiter=RateLimiter(client, watch, settings.cluster.rate_limiter, metrics),
        batcher=batcher,
        answer_cache=AnswerCache(
            batcher.look_up, generation.current if settings.api.answer_cache else lambda: None
        ),
        background=BackgroundLookups(client, dispatch.send_background),
        receipts=ReceiptWriter(databases),
        publisher=SubmissionPublisher(dispatch.send_submissions, partial(_is_busy, client)),
        counters=Counters(client),
        health=HealthChecks(databases, client, settings.fingerprint_index),
    )


def _is_busy(client: redis.Redis) -> bool:
    try:
        return queue_lengths.waiting(client, queues.SUBMISSION) > 0
    except RedisError:
        return False  # publishing will tell
