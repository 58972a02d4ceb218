"""Periodic task: compare the clocks of the PostgreSQL servers with that of Redis."""

from contextlib import suppress
from typing import Final, get_args

import sqlalchemy as sa

from pipeline.runtime.databases import (
    DATABASE_UNREACHABLE,
    DatabaseName,
    Databases,
    limit_statements,
)
from pipeline.runtime.links.deadline import ends_within
from tasks.celery import app
from tasks.clocks.shared_clock import SharedClock
from tasks.redis_state import heartbeats
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

STATEMENT_TIMEOUT: Final = 2.0
"""Maximum time in seconds of a statement."""

MEASUREMENT_TIMEOUT: Final = 3.0
"""Maximum time in seconds of one measurement. A dead connection must not delay the index."""

_NOW: Final = sa.text("SELECT extract(epoch FROM clock_timestamp())")


@app.task(name="maintenance.measure_clocks", base=StageTask)
def measure_clocks() -> dict[str, float]:
    """Measure and store by how many seconds each PostgreSQL server is ahead of Redis."""
    return measure(worker_resources())


def measure(resources: WorkerResources) -> dict[str, float]:
    """Do the work of `measure_clocks`, with the resources of a worker."""
    found: dict[str, float] = {}
    for name in get_args(DatabaseName):
        with suppress(*DATABASE_UNREACHABLE):  # the health check reports it
            found[name] = _difference(resources.databases, name, resources.clock)
            resources.metrics.clock_difference("postgres", found[name])
    heartbeats.store_postgres_clocks(resources.redis, found)
    return found


def _difference(databases: Databases, name: DatabaseName, clock: SharedClock) -> float:
    with ends_within(MEASUREMENT_TIMEOUT), databases.engine(name).connect() as connection:
        limit_statements(connection, STATEMENT_TIMEOUT)
        sent = clock.now()
        found = float(connection.execute(_NOW).scalar_one())
        return found - (sent + clock.now()) / 2
