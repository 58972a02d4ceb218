"""The report that a worker stores with each heartbeat: its queues and the condition of its copies.

A check of the index or the store may wait for a database or a server. So it runs in a thread, which
each heartbeat starts. The heartbeat reports the result of the check if it ends at once, and
otherwise the last result. A fault of the index that a search has found since is reported too. With
the pool ``prefork`` the main process sends the heartbeats, and it checks the same files and servers
as the processes of the pool.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from pipeline.lookups.condition import Condition
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


class Periodically:
    """The last result of a function that runs in a thread at intervals.

    Args:
        function: the function; it does not run twice at a time.
        every: seconds between two starts.
        first_wait: maximum seconds that the first `latest` waits; a later one waits `LATER_WAIT`.
        is_urgent: returns whether a run is due before its time.
    """

    def __init__(
        self,
        function: Callable[[], Condition | None],
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
        self._result: Condition | None = None

    def latest(self) -> Condition | None:
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
        self._store = Periodically(self._store_condition)

    def report(self, node: str, names: Iterable[str]) -> WorkerReport:
        """Return the report of a worker.

        Args:
            node: the name of the worker.
            names: the queues that it serves.
        """
        served = tuple(names)
        return WorkerReport(
            node,
            served,
            index=None if SEARCHING_QUEUES.isdisjoint(served) else self._index_condition(),
            store=None if LOOKUP_QUEUES.isdisjoint(served) else self._store.latest(),
        )

    def _index_condition(self) -> Condition | None:
        """Return the condition that the last search or check found."""
        self._index.latest()
        return self._resources().index.last_condition()

    def _index_needs_check(self) -> bool:
        return self._resources().index.needs_check()

    def _check_index(self) -> Condition:
        return self._resources().index.condition()

    def _store_condition(self) -> Condition | None:
        store = self._resources().store
        return store.condition() if store else None
