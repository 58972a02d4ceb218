"""The report that a worker stores with each heartbeat: its queues and the condition of its copies.

A check of the index or the store may wait for a database or a server. So it runs in a thread, and a
heartbeat reports the last result. With the pool ``prefork`` the main process sends the heartbeats,
and it checks the same files and servers as the processes of the pool.
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

CHECK_EVERY: Final = 3.0
"""Seconds between the starts of two checks."""

FIRST_WAIT: Final = 1.0
"""Maximum seconds for which the first report waits for the first check."""

SEARCHING_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND, queues.SUBMISSION})
"""The queues whose tasks search the index."""

LOOKUP_QUEUES: Final = frozenset({queues.LOOKUP, queues.BACKGROUND})
"""The queues whose tasks read the fingerprint store."""

logger = structlog.get_logger("acoustid.tasks.worker_report")


class Periodically:
    """The last result of a function that runs in a thread at intervals.

    Args:
        function: the function; it does not run twice at a time.
        every: seconds between two starts.
        first_wait: maximum seconds that the first `latest` waits.
    """

    def __init__(
        self,
        function: Callable[[], Condition | None],
        every: float = CHECK_EVERY,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self._function = function
        self._every = every
        self._wait = first_wait
        self._due = 0.0
        self._thread: threading.Thread | None = None
        self._result: Condition | None = None

    def latest(self) -> Condition | None:
        """Return the last result, None before the first one; start a run if it is due."""
        now = time.monotonic()
        if now >= self._due and not (self._thread and self._thread.is_alive()):
            self._due = now + self._every
            self._thread = threading.Thread(target=self._run, name="worker-report", daemon=True)
            self._thread.start()
            self._thread.join(self._wait)
            self._wait = 0.0
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
        self._index = Periodically(self._index_condition)
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
            index=None if SEARCHING_QUEUES.isdisjoint(served) else self._index.latest(),
            store=None if LOOKUP_QUEUES.isdisjoint(served) else self._store.latest(),
        )

    def _index_condition(self) -> Condition:
        return self._resources().index.condition()

    def _store_condition(self) -> Condition | None:
        store = self._resources().store
        return store.condition() if store else None
