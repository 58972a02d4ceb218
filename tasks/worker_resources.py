"""The resources of a worker process: settings, databases, Redis, metrics, index and store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

from redis import Redis

from pipeline.fingerprint_store import (
    StoreLocked,
    StoreWriter,
    open_store,
    open_store_writer,
)
from pipeline.following.open_index import OpenIndex, open_index, open_updater
from pipeline.following.update_store import store_may_fail
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.load import load_settings
from pipeline.settings.sections import Settings
from tasks.fast_path.switches import FastPath
from tasks.index_lease import IndexLease


@dataclass(frozen=True)
class WorkerResources:
    """The resources that all tasks of one worker process share.

    Resources that not every worker uses are opened at the first access.
    """

    settings: Settings
    databases: Databases
    redis: Redis
    metrics: Metrics

    @cached_property
    def reply_client(self) -> Redis:
        """The Redis client for replies to lookups; with the fast path it keeps one connection."""
        keeps = FastPath.of(self.settings).keeps_connection
        return connect(self.settings.redis, keeps_connection=True) if keeps else self.redis

    @cached_property
    def index_reader(self) -> OpenIndex:
        """The open index in any condition. If it is damaged, only tasks that use it fail."""
        return open_index(self.settings.fingerprint_index)

    @cached_property
    def index(self) -> TrustedIndex:
        """The index for searching; it is searched while it is complete and of our database."""
        return TrustedIndex(lambda: self.index_reader, self.databases)

    @cached_property
    def store(self) -> TrustedStore | None:
        """The fingerprint store for reading; None if the settings disable it."""
        settings = self.settings.fingerprint_store
        return TrustedStore(open_store(settings.path), self.databases) if settings.enabled else None

    @contextmanager
    def store_writer(self) -> Iterator[StoreWriter | None]:
        """Open the store for writing; yield None if it can't be written now.

        This is the case if the settings disable the store, if it is damaged (which is logged), and
        while another process rebuilds it. A rebuild applies the whole changelog, so nothing is
        lost. The index is updated without waiting for the store.
        """
        with ExitStack() as stack:
            writer = None
            if self.settings.fingerprint_store.enabled:
                with suppress(StoreLocked), store_may_fail():
                    writer = stack.enter_context(
                        open_store_writer(self.settings.fingerprint_store.path)
                    )
            yield writer

    @cached_property
    def index_lease(self) -> IndexLease:
        """The index for writing; it is opened when a task borrows it."""
        return IndexLease(lambda: open_updater(self.settings.fingerprint_index, self.databases))


def worker_resources() -> WorkerResources:
    """Return the resources of this process; the first call opens them."""
    return _resources.get()


def _open() -> WorkerResources:
    settings = load_settings()
    return WorkerResources(
        settings=settings,
        databases=Databases(settings, component="worker"),
        redis=connect(settings.redis),
        metrics=connect_metrics(settings.statsd),
    )


_resources = PerProcess(_open)
