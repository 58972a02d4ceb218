"""What the tasks of a worker process share: settings, databases, Redis, metrics, the index."""

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
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.runtime.metrics import Metrics, connect_metrics
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect
from pipeline.settings.load import load_settings
from pipeline.settings.sections import Settings
from tasks.fast_path.paths import FastPath
from tasks.index_lease import IndexLease


@dataclass(frozen=True)
class Services:
    """The resources of one process."""

    settings: Settings
    databases: Databases
    redis: Redis
    metrics: Metrics

    @cached_property
    def reply_client(self) -> Redis:
        """The client for what a front end waits for; it may connect when it is first asked for."""
        keeps = FastPath.of(self.settings).keeps_connection
        return connect(self.settings.redis, keeps_connection=True) if keeps else self.redis

    @cached_property
    def index(self) -> OpenIndex:
        """The index, opened by the first task that needs it: a damaged one stops no other."""
        return open_index(self.settings.fingerprint_index)

    @cached_property
    def store(self) -> TrustedStore | None:
        """The fingerprint store, if there is to be one."""
        settings = self.settings.fingerprint_store
        return TrustedStore(open_store(settings.path), self.databases) if settings.enabled else None

    @contextmanager
    def store_writer(self) -> Iterator[StoreWriter | None]:
        """Lend the store for writing, or None: the index must not wait for it.

        There is none to write if the settings want none, while it is built anew, which reads the
        changelog to its end, and when it is damaged, which is told in the log.
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
        """The index for writing, opened by the task that borrows it."""
        return IndexLease(lambda: open_updater(self.settings.fingerprint_index, self.databases))


def services() -> Services:
    """Return this process's resources, opened when they are first asked for."""
    return _own.get()


def _open() -> Services:
    settings = load_settings()
    return Services(
        settings=settings,
        databases=Databases(settings, component="worker"),
        redis=connect(settings.redis),
        metrics=connect_metrics(settings.statsd),
    )


_own = PerProcess(_open)
