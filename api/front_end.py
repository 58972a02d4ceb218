"""The resources of a front-end process: database and Redis clients, access control, queues."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import redis
from redis.exceptions import RedisError

from api.access.access_control import AccessControl
from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.access.rate_limit import RateLimiter
from api.access.redis_outage import RedisCircuitBreaker
from api.health.endpoint import HealthChecks
from api.lookups.answer_cache import AnswerCache
from api.lookups.background import BackgroundLookups
from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import POLL, LookupBatcher
from api.lookups.tracked_generation import TrackedGeneration
from api.submissions.publisher import SubmissionPublisher
from api.submissions.receipts import ReceiptWriter
from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_counters import Counters
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.sections import Settings
from tasks import queues
from tasks.fast_path.switches import FastPath
from tasks.redis_state import queue_lengths

REDIS_TIMEOUT = 1.0
"""Maximum time in seconds that a request waits for a reply of Redis."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The functions that publish work for the workers, with the signatures of `tasks.dispatch`.

    Attributes:
        send_lookups: publishes a batch of lookups.
        send_background: publishes a background lookup, given its task id.
        send_submissions: publishes submissions, given their ids.
    """

    send_lookups: Callable[[LookupBatch], None]
    send_background: Callable[[str, BackgroundLookup], None]
    send_submissions: Callable[[Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The resources of one front-end process. Thread-safe."""

    settings: Settings
    databases: Databases
    redis: redis.Redis
    metrics: Metrics
    access: AccessControl
    batcher: LookupBatcher
    answer_cache: AnswerCache
    background: BackgroundLookups
    receipts: ReceiptWriter
    publisher: SubmissionPublisher
    counters: Counters
    health: HealthChecks

    def close(self) -> None:
        """End all waiting requests, then close all connections."""
        self.access.keys.close()
        self.batcher.close()
        self.receipts.close()
        self.publisher.close()
        self.health.close()
        self.counters.close()
        self.databases.dispose()
        self.redis.close()
        self.metrics.close()


def create_front_end(settings: Settings, dispatch: Dispatch) -> FrontEnd:
    """Return the resources of this process. Each connects at its first use."""
    databases = Databases(settings, component="api")
    client = connect(settings.redis, timeout=REDIS_TIMEOUT)
    metrics = connect_metrics(settings.statsd)
    breaker = RedisCircuitBreaker()
    paths = FastPath.of(settings)
    blocking_client = partial(
        connect, settings.redis, blocking=True, wait=POLL, keeps_connection=paths.keeps_connection
    )
    policy = BatchPolicy(
        size=settings.api.lookup_batch_size,
        in_flight=settings.api.lookup_batches_in_flight,
        hold_back=settings.api.lookup_hold_back,
    )
    batcher = LookupBatcher(policy, blocking_client, dispatch.send_lookups, metrics)
    maintenance = MaintenanceMode(databases)
    generation = TrackedGeneration(client, breaker, caches=paths.caches_generation)
    return FrontEnd(
        settings=settings,
        databases=databases,
        redis=client,
        metrics=metrics,
        access=AccessControl(
            keys=ApiKeys(databases, client, breaker, demo=settings.features.demo_key),
            limiter=RateLimiter(client, breaker, settings.cluster.rate_limiter, metrics),
            cluster=settings.cluster,
            maintenance=maintenance,
            timeout=settings.api.lookup_timeout,
        ),
        batcher=batcher,
        answer_cache=AnswerCache(
            batcher.look_up, generation.current if settings.api.answer_cache else lambda: None
        ),
        background=BackgroundLookups(
            client, dispatch.send_background, settings.retention.task_results_seconds
        ),
        receipts=ReceiptWriter(databases),
        publisher=SubmissionPublisher(dispatch.send_submissions, partial(_is_busy, client)),
        counters=Counters(client),
        health=HealthChecks(settings, databases, client, maintenance),
    )


def _is_busy(client: redis.Redis) -> bool:
    """Return whether submissions wait for a worker; False if Redis is unreachable."""
    try:
        return queue_lengths.waiting(client, queues.SUBMISSION) > 0
    except RedisError:
        return False
