"""The resources of a front-end process: database and Redis clients, access control, queues."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import redis

from api.access.access_control import AccessControl
from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.access.rate_limit import RateLimiter
from api.access.redis_outage import LinkFailures, RedisCircuitBreaker
from api.health.endpoint import HealthChecks
from api.lookups.answer_cache import AnswerCache
from api.lookups.background import BackgroundLookups
from api.lookups.batch_policy import BatchPolicy
from api.lookups.batcher import POLL, LookupBatcher
from api.lookups.excerpts import ExcerptLookups
from api.lookups.tracked_generation import TrackedGeneration
from api.submissions.backlog import SubmissionBacklog
from api.submissions.publisher import SubmissionPublisher
from api.submissions.receipts import ReceiptWriter
from pipeline.messages import BackgroundLookup, LookupBatch
from pipeline.runtime.databases import Databases
from pipeline.runtime.links.connection_limits import (
    POSTGRES_FRONT_END,
    REDIS_REPLIES,
    REDIS_REQUEST,
    PostgresLimits,
)
from pipeline.runtime.redis_client import connect
from pipeline.runtime.redis_counters import Counters
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.sections import Settings
from tasks.clocks.shared_clock import clock_of
from tasks.fast_path.switches import FastPath

EXCERPT_CACHE: Final = 8 * 2**20
"""Maximum size in bytes of the answers to excerpts in memory. They rarely repeat."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The functions that publish work for the workers, with the signatures of `tasks.dispatch`.

    Attributes:
        send_lookups: publishes a batch of lookups.
        send_excerpts: publishes a batch of lookups of excerpts.
        send_background: publishes a background lookup, given its task id.
        send_submissions: publishes submissions, given their ids.
        discard_connections: closes the connections of these functions that are not in use.
    """

    send_lookups: Callable[[LookupBatch], None]
    send_excerpts: Callable[[LookupBatch], None]
    send_background: Callable[[str, BackgroundLookup], None]
    send_submissions: Callable[[Sequence[int]], None]
    discard_connections: Callable[[], None] = lambda: None


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
    excerpt_batcher: LookupBatcher
    excerpts: ExcerptLookups
    background: BackgroundLookups
    receipts: ReceiptWriter
    backlog: SubmissionBacklog
    publisher: SubmissionPublisher
    counters: Counters
    health: HealthChecks

    def close(self) -> None:
        """End all waiting requests, then close all connections."""
        self.access.keys.close()
        self.batcher.close()
        self.excerpt_batcher.close()
        self.receipts.close()
        self.publisher.close()
        self.health.close()
        self.counters.close()
        self.databases.dispose()
        self.redis.close()
        self.metrics.close()


def create_front_end(settings: Settings, dispatch: Dispatch) -> FrontEnd:
    """Return the resources of this process, and start its clock.

    All other resources connect at their first use.
    """
    databases = Databases(settings, component="api", limits=_database_limits(settings))
    client = connect(settings.redis, limits=REDIS_REQUEST)
    metrics = connect_metrics(settings.statsd)

    def discard_connections() -> None:
        client.connection_pool.disconnect(inuse_connections=False)
        dispatch.discard_connections()

    failures = LinkFailures(discard_connections)
    optional = RedisCircuitBreaker("redis: optional commands", failures)
    paths = FastPath.of(settings)
    blocking_client = partial(
        connect,
        settings.redis,
        blocking=True,
        wait=POLL,
        limits=REDIS_REPLIES,
        keeps_connection=paths.keeps_connection,
    )
    policy = BatchPolicy(
        size=settings.api.lookup_batch_size,
        in_flight=settings.api.lookup_batches_in_flight,
        hold_back=settings.api.lookup_hold_back,
    )
    clock = clock_of(settings.redis)
    clock.observe(partial(metrics.clock_difference, "front_end"))
    clock.start()

    def make_batcher(use: str, send: Callable[[LookupBatch], None]) -> LookupBatcher:
        breaker = RedisCircuitBreaker(f"redis: {use}", failures)
        return LookupBatcher(policy, blocking_client, send, metrics, breaker, clock=clock.now)

    batcher = make_batcher("lookups", dispatch.send_lookups)
    excerpt_batcher = make_batcher("excerpts", dispatch.send_excerpts)
    maintenance = MaintenanceMode(databases)
    backlog = SubmissionBacklog(databases, client, optional, settings.api.max_pending_submissions)
    tracked = TrackedGeneration(client, optional, clock.now, caches=paths.caches_generation)
    generation = tracked.current if settings.api.answer_cache else lambda: None
    answer_cache = AnswerCache(batcher.look_up, generation)
    return FrontEnd(
        settings=settings,
        databases=databases,
        redis=client,
        metrics=metrics,
        access=AccessControl(
            keys=ApiKeys(databases, client, optional, demo=settings.features.demo_key),
            limiter=RateLimiter(
                client, optional, settings.cluster.rate_limiter, metrics, clock.now
            ),
            cluster=settings.cluster,
            maintenance=maintenance,
            timeout=settings.api.lookup_timeout,
        ),
        batcher=batcher,
        answer_cache=answer_cache,
        excerpt_batcher=excerpt_batcher,
        excerpts=ExcerptLookups(
            AnswerCache(excerpt_batcher.look_up, generation, capacity=EXCERPT_CACHE).look_up,
            answer_cache.look_up,
            max_requests=max(1, settings.http.threads // 2),
        ),
        background=BackgroundLookups(
            client,
            dispatch.send_background,
            settings.retention.task_results_seconds,
            RedisCircuitBreaker("redis: background lookups", failures),
        ),
        receipts=ReceiptWriter(databases),
        backlog=backlog,
        publisher=SubmissionPublisher(
            dispatch.send_submissions, backlog.leave, backlog.queue_state
        ),
        counters=Counters(client),
        health=HealthChecks(settings, databases, client, maintenance),
    )


def longest_request(settings: Settings) -> float:
    """Return the maximum seconds from a request's arrival to its reply."""
    return max(settings.api.lookup_timeout, settings.api.submit_timeout)


def _database_limits(settings: Settings) -> PostgresLimits:
    """Return the limits of connections to PostgreSQL; no use is longer than a request."""
    longest = longest_request(settings)
    return replace(POSTGRES_FRONT_END, reply=longest, statement=longest)
