"""What the tasks of a worker process share: settings, databases, Redis, metrics, the index."""

import os
from dataclasses import dataclass
from functools import cached_property

import redis

from pipeline.indexes import OpenIndex, open_index, open_updater
from pipeline.runtime.config import load_settings
from pipeline.runtime.databases import Databases
from pipeline.runtime.metrics import Metrics, connect_metrics
from pipeline.runtime.redis_client import connect
from pipeline.runtime.settings import Settings
from tasks.index_lease import IndexLease


@dataclass(frozen=True)
class Services:
    """The resources of one process."""

    settings: Settings
    databases: Databases
    redis: redis.Redis
    metrics: Metrics

    @cached_property
    def index(self) -> OpenIndex:
        """The index, opened by the first task that needs it: a damaged one stops no other."""
        return open_index(self.settings.fingerprint_index)

    @cached_property
    def index_lease(self) -> IndexLease:
        """The index for writing, opened by the task that borrows it."""
        return IndexLease(lambda: open_updater(self.settings.fingerprint_index, self.databases))


_by_process: dict[int, Services] = {}


def services() -> Services:
    """Return this process's resources, opened when they are first asked for.

    A process that was forked opens its own: connections can't be shared with the parent.
    """
    found = _by_process.get(os.getpid())
    if found is None:
        found = _by_process[os.getpid()] = _open(load_settings())
    return found


def _open(settings: Settings) -> Services:
    return Services(
        settings=settings,
        databases=Databases(settings, component="worker"),
        redis=connect(settings.redis),
        metrics=connect_metrics(settings.statsd),
    )
