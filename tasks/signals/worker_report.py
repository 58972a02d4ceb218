"""The report that a worker stores with each heartbeat: its queues and the state of its copies.

A check of the index or the store may wait for a database or a server. So it runs in a thread, which
each heartbeat starts. The heartbeat reports the result of the check if it ends at once, and
otherwise the last result. A fault of the index that a search has found since is reported too. With
the pool ``prefork`` the main process sends the heartbeats, and it checks the same files and servers
as the processes of the pool.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Generic, NamedTuple, TypeVar

import structlog

from pipeline.fingerprint_store import FingerprintStoreError
from pipeline.index import FingerprintIndexError
from pipeline.lookups.condition import Condition
from pipeline.storage.format import INDEX_SUFFIX, STORE_SUFFIX
from pipeline.storage.segment_files import list_segments
from tasks import queues
from tasks.redis_state.heartbeats import WorkerReport
from tasks.worker_resources import WorkerResources

CHECK_EVERY: Final = 1.5
"""Minimum seconds between the starts of two checks: less than between two heartbeats."""

FIRST_WAIT: Final = 1.0
"""Maximum seconds for which the first report waits for the first check."""

LATER_WAIT: Final = 0.05
"""Maximum seconds for which a later report waits for a check that it has started."""

SEARCHING_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND, queues.SUBMISSION})
"""The queues whose tasks search the index."""

LOOKUP_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND})
"""The queues whose tasks read the fingerprint store."""

logger = structlog.get_logger("acoustid.tasks.signals.worker_report")


Result = TypeVar("Result")


class CopyState(NamedTuple):
    """The state of the index or of the store.

    Attributes:
        condition: its condition; None if this worker has no store.
        position: its changelog position; None while it is not usable.
    """

    condition: Condition | None = None
    position: int | None = None


class Periodically(Generic[Result]):
    """The last result of a function that runs in a thread at intervals.

    Args:
        function: the function; it does not run twice at a time.
        every: seconds between two starts.
        first_wait: maximum seconds that the first `latest` waits; a later one waits `LATER_WAIT`.
        is_urgent: returns whether a run is due before its time.
    """

    def __init__(
        self,
        function: Callable[[], Result],
        every: float = CHECK_EVERY,
        first_wait: float = FIRST_WAIT,
        is_urgent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._function = function
        self._every = every
        self._wait = first_wait
        self._is_urgent = is_urgent
        self._due = 0.0
        self._thread: threading.Thread | None = None
        self._result: Result | None = None

    def latest(self) -> Result | None:
        """Return the last result, None before the first one; start a run if it is due."""
        now = time.monotonic()
        is_running = self._thread is not None and self._thread.is_alive()
        if not is_running and (now >= self._due or self._is_urgent()):
            self._due = now + self._every
            self._thread = threading.Thread(target=self._run, name="worker-report", daemon=True)
            self._thread.start()
            self._thread.join(self._wait)
            self._wait = LATER_WAIT
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except Exception:
            logger.exception("the condition of a copy could not be determined")


class ReportSource:
    """Makes the reports of one process.

    Args:
        resources: returns the resources of this process.
    """

    def __init__(self, resources: Callable[[], WorkerResources]) -> None:
        self._resources = resources
        self._index = Periodically(self._check_index, is_urgent=self._index_needs_check)
        self._store = Periodically(self._check_store)
        self._unknown_files = Periodically(self._count_unknown_files)

    def report(self, node: str, names: Iterable[str]) -> WorkerReport:
        """Return the report of a worker.

        Args:
            node: the name of the worker.
            names: the queues that it serves.
        """
        served = tuple(names)
        index, store = CopyState(), CopyState()
        if not SEARCHING_QUEUES.isdisjoint(served):
            index = self._index_state()
        if not LOOKUP_QUEUES.isdisjoint(served):
            store = self._store.latest() or store
        return WorkerReport(
            node,
            served,
            index=index.condition,
            store=store.condition,
            index_position=index.position,
            store_position=store.position,
            unknown_files=self._unknown_files.latest() or 0 if queues.INDEX in served else 0,
        )

    def _index_state(self) -> CopyState:
        """Return the condition that the last search or check found."""
        checked = self._index.latest() or CopyState()
        condition = self._resources().index.last_condition()
        return CopyState(condition, checked.position if condition is Condition.OK else None)

    def _index_needs_check(self) -> bool:
        return self._resources().index.needs_check()

    def _check_index(self) -> CopyState:
        index = self._resources().index
        return _state(index.condition(), index.position)

    def _check_store(self) -> CopyState:
        store = self._resources().store
        if store is None:
            return CopyState()
        return _state(store.condition(), store.position)

    def _count_unknown_files(self) -> int:
        settings = self._resources().settings
        folders = []
        if settings.fingerprint_index.protocol == "local":
            folders.append((settings.fingerprint_index.path, INDEX_SUFFIX))
        if settings.fingerprint_store.enabled:
            folders.append((settings.fingerprint_store.path, STORE_SUFFIX))
        return sum(len(list_segments(*folder).unknown) for folder in folders)


def _state(condition: Condition, position: Callable[[], int]) -> CopyState:
    """Return the state of a copy; without a position if it fails at this moment."""
    if condition is Condition.OK:
        with suppress(FingerprintIndexError, FingerprintStoreError):
            return CopyState(condition, position())
    return CopyState(condition)
