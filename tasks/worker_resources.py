"""The resources of a worker process: settings, databases, Redis, metrics, index and copies."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from redis import Redis

from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.fingerprint_store import (
    StoreLocked,
    StoreWriter,
    open_store,
)
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.following.followers import may_fail
from pipeline.following.open_index import OpenIndex, open_index
from pipeline.following.problems import INDEX, SKETCH, STORE, WriteProblems
from pipeline.following.repair import open_or_empty_index, open_or_empty_store
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.lookups.trusted_sketch import TrustedSketch
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.runtime.databases import Databases
from pipeline.runtime.links.connection_limits import BROKER, POSTGRES_WORKER, REDIS_REPLIES
from pipeline.runtime.processes import PerProcess
from pipeline.runtime.redis_client import connect
from pipeline.runtime.statsd_metrics import Metrics, connect_metrics
from pipeline.settings.load import load_settings
from pipeline.settings.sections import Settings
from pipeline.storage.format import StorageFormat
from pipeline.storage.scrub import Scrub
from tasks.clocks.shared_clock import SharedClock, clock_of
from tasks.fast_path.switches import FastPath
from tasks.following.index_lease import IndexLease
from tasks.following.written_sketch import WrittenSketch


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
    def clock(self) -> SharedClock:
        """The clock of Redis, by which deadlines of lookups are judged."""
        return clock_of(self.settings.redis)

    @cached_property
    def reply_client(self) -> Redis:
        """The Redis client for replies to lookups; with the fast path it keeps one connection."""
        keeps = FastPath.of(self.settings).keeps_connection
        return (
            connect(self.settings.redis, limits=REDIS_REPLIES, keeps_connection=True)
            if keeps
            else self.redis
        )

    @cached_property
    def index_reader(self) -> OpenIndex:
        """The open index in any condition. If it is damaged, only tasks that use it fail."""
        return open_index(self.settings.fingerprint_index)

    @cached_property
    def index(self) -> TrustedIndex:
        """The index for lookups. It is used while it is complete, current and of this database."""
        return TrustedIndex(
            lambda: self.index_reader, self.databases, max_lag=self.settings.cluster.max_lag
        )

    @cached_property
    def import_index(self) -> TrustedIndex:
        """The index for imports. It may be behind: they compare with later fingerprints too."""
        return TrustedIndex(lambda: self.index_reader, self.databases, logs_changes=False)

    @cached_property
    def store(self) -> TrustedStore | None:
        """The fingerprint store for reading; None if the settings disable it."""
        settings = self.settings.fingerprint_store
        if not settings.enabled:
            return None
        max_lag = self.settings.cluster.max_lag
        return TrustedStore(open_store(settings.path), self.databases, max_lag=max_lag)

    @cached_property
    def sketch(self) -> TrustedSketch | None:
        """The sketch index for reading; None if the settings disable it.

        No file is opened before its first use.
        """
        settings = self.settings.fingerprint_index
        if not settings.sketch_rate:
            return None
        return TrustedSketch(
            settings.sketch_path,
            settings.sketch_rate,
            self.databases,
            max_lag=self.settings.cluster.max_lag,
        )

    @contextmanager
    def store_writer(self, problems: WriteProblems) -> Iterator[StoreWriter | None]:
        """Open the store for writing; yield None if it can't be written now.

        A damaged store is emptied. It can't be written if the settings disable it, if a file has an
        unknown name, on a faulty disk, and while another process rebuilds it. A rebuild applies the
        whole changelog, so nothing is lost. The index is updated without waiting for the store.

        Args:
            problems: receives the reason, if it is a fault.
        """
        with ExitStack() as stack:
            writer = None
            if self.settings.fingerprint_store.enabled:
                path = self.settings.fingerprint_store.path
                with (
                    may_fail(STORE, problems.add),
                    suppress(StoreLocked),
                ):
                    writer = stack.enter_context(open_or_empty_store(path, self.databases))
            yield writer

    @cached_property
    def index_lease(self) -> IndexLease:
        """The index for writing; it is opened when a task borrows it."""
        settings = self.settings.fingerprint_index
        return IndexLease(lambda: open_or_empty_index(settings, self.databases))

    @cached_property
    def written_sketch(self) -> WrittenSketch | None:
        """The sketch index for writing; None if the settings disable it."""
        settings = self.settings.fingerprint_index
        if not settings.sketch_rate:
            return None
        return WrittenSketch(settings.sketch_path, settings.sketch_rate, self.databases)

    @cached_property
    def write_problems(self) -> WriteProblems:
        """The reasons for which this process does not write a copy at present."""
        return WriteProblems(
            folders={noun: path for noun, (_, path) in local_folders(self.settings).items()}
        )

    @cached_property
    def scrubs(self) -> Mapping[str, Scrub]:
        """The scrubs of the local copies."""
        return {noun: Scrub(*folder) for noun, folder in local_folders(self.settings).items()}


def local_folders(settings: Settings) -> dict[str, tuple[StorageFormat[Any, Any], Path]]:
    """Return format and folder of each copy in local files, by its noun."""
    index, store = settings.fingerprint_index, settings.fingerprint_store
    found: dict[str, tuple[StorageFormat[Any, Any], Path]] = {}
    if index.protocol == "local":
        found[INDEX] = INDEX_FORMAT, index.path
    if store.enabled:
        found[STORE] = STORE_FORMAT, store.path
    if index.sketch_rate:
        found[SKETCH] = INDEX_FORMAT, sketch_folder(index.sketch_path, index.sketch_rate)
    return found


def worker_resources() -> WorkerResources:
    """Return the resources of this process; the first call opens them."""
    return _resources.get()


def _open() -> WorkerResources:
    settings = load_settings()
    return WorkerResources(
        settings=settings,
        databases=Databases(settings, component="worker", limits=POSTGRES_WORKER),
        redis=connect(settings.redis, limits=BROKER),
        metrics=connect_metrics(settings.statsd),
    )


_resources = PerProcess(_open)
