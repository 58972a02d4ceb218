"""The resources of the process ``acoustid ingest nats``: clients, access control, publishing."""

from dataclasses import dataclass

import redis

from api.access.keys import ApiKeys
from api.access.maintenance import MaintenanceMode
from api.access.redis_outage import LinkFailures, RedisCircuitBreaker
from api.submissions.backlog import SubmissionBacklog
from api.submissions.publisher import SubmissionPublisher
from pipeline.runtime.databases import Databases
from pipeline.runtime.links.connection_limits import POSTGRES_WORKER
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.sections import Settings
from tasks import dispatch
from tasks.clocks.shared_clock import clock_of

COMPONENT = "ingest-nats"
"""The name of this process in logs, error reports and PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of this process. Thread-safe."""

    settings: Settings
    databases: Databases
    redis: redis.Redis
    metrics: Metrics
    keys: ApiKeys
    maintenance: MaintenanceMode
    publisher: SubmissionPublisher

    def close(self) -> None:
        """Publish the submissions that have been added, then close all connections."""
        self.publisher.close()
        self.keys.close()
        self.databases.dispose()
        self.redis.close()
        self.metrics.close()


def open_resources(settings: Settings) -> Resources:
    """Return the resources of this process. They connect at their first use."""
    databases = Databases(settings, component=COMPONENT, limits=POSTGRES_WORKER)
    client = connect(settings.redis)

    def discard_connections() -> None:
        client.connection_pool.disconnect(inuse_connections=False)
        dispatch.discard_connections()

    breaker = RedisCircuitBreaker("redis: optional commands", LinkFailures(discard_connections))
    clock_of(settings.redis).start()
    # `[nats] max_pending` limits these submissions, not the limit of the web service.
    backlog = SubmissionBacklog(databases, client, breaker, limit=0)
    return Resources(
        settings=settings,
        databases=databases,
        redis=client,
        metrics=connect_metrics(settings.statsd),
        keys=ApiKeys(databases, client, breaker, demo=settings.features.demo_key),
        maintenance=MaintenanceMode(databases),
        publisher=SubmissionPublisher(
            dispatch.send_submissions, backlog.leave, backlog.queue_state
        ),
    )
