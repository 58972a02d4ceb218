"""``/_health``, ``/_health_ro``, ``/_health_docker``: check the servers that requests need."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import Final, Literal

import falcon
import redis
import sqlalchemy as sa
import structlog

from api.http.endpoint import request_of, write_reply
from api.http.serialisation import JSON
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases, limit_statements
from pipeline.settings.sections import FingerprintIndexSettings
from tasks.redis_state import heartbeats

Name = Literal["database", "database_ro", "redis", "index", "worker"]
State = Literal["ok", "failed"]

HEALTH_PATHS: Final[Mapping[str, tuple[Name, ...]]] = MappingProxyType(
    {
        "/_health": ("database", "redis", "index", "worker"),
        "/_health_ro": ("database_ro", "redis"),
        "/_health_docker": (),
    }
)
"""The checks of each path. A new check also needs a method of `HealthChecks`.

In ``acoustid serve`` the HTTP server replies to ``/_health_docker`` itself (`api.server`).
"""

DEADLINE: Final = 2.0
"""Maximum time in seconds of a check."""

# Writes a message to the write-ahead log, which changes no table. PostgreSQL flushes it at the
# commit, and refuses it if the server is read-only or its disk is full.
_WRITE: Final = sa.text("SELECT pg_logical_emit_message(true, 'acoustid', 'health')")
_READ_ONLY: Final = sa.text("SELECT current_setting('transaction_read_only') = 'on'")

logger = structlog.get_logger("acoustid.api.health")


class UnhealthyError(Exception):
    """A check failed. The text is only logged."""


class HealthChecks:
    """The checks of one process.

    A check that is running is not started again: other requests wait for its result. So a check
    that hangs occupies only one thread.

    Args:
        databases: the app database is checked.
        client: a Redis client with a short timeout.
        index: the settings of the index.
        deadline: maximum time in seconds of a check.
    """

    def __init__(
        self,
        databases: Databases,
        client: redis.Redis,
        index: FingerprintIndexSettings,
        deadline: float = DEADLINE,
    ) -> None:
        self._databases = databases
        self._client = client
        self._index = index
        self._deadline = deadline
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._running: dict[Name, Future[None]] = {}
        self._checks: dict[Name, Callable[[], None]] = {
            "database": self._write_database,
            "database_ro": self._read_database,
            "redis": self._ping_redis,
            "index": self._read_index,
            "worker": self._find_worker,
        }

    def run(self, names: Iterable[Name]) -> dict[str, State]:
        """Run checks in parallel, and return the result of each."""
        until = time.monotonic() + self._deadline
        futures = {name: self._start(name) for name in names}
        return {name: self._outcome(name, future, until) for name, future in futures.items()}

    def close(self) -> None:
        """Refuse further checks."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)

    def _start(self, name: Name) -> Future[None]:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(len(self._checks), thread_name_prefix="health")
            future = self._running.get(name)
            if future is None or future.done():
                future = self._running[name] = self._executor.submit(self._checks[name])
            return future

    def _outcome(self, name: Name, future: Future[None], until: float) -> State:
        try:
            future.result(max(0.0, until - time.monotonic()))
        except Exception as error:  # noqa: BLE001 - any exception is a failed check
            logger.warning("a health check failed", check=name, error=repr(error))
            return "failed"
        return "ok"

    def _write_database(self) -> None:
        with self._databases.engine("app").begin() as connection:
            limit_statements(connection, self._deadline)
            if connection.scalar(_READ_ONLY):
                raise UnhealthyError("the app database is read only")
            connection.execute(_WRITE)

    def _read_database(self) -> None:
        with self._databases.engine("app", read_only=True).begin() as connection:
            limit_statements(connection, self._deadline)
            connection.execute(sa.text("SELECT 1"))

    def _ping_redis(self) -> None:
        self._client.ping()

    def _read_index(self) -> None:
        with open_index(self._index) as index:
            index.position()

    def _find_worker(self) -> None:
        if not heartbeats.alive(self._client):
            raise UnhealthyError("no worker has sent a heartbeat")


class Health:
    """The endpoint of one health path. It replies in JSON, with status 503 if a check failed.

    The reply names the failed checks. It does not contain the reasons, since it is public.

    Args:
        name: the name of the path in metrics.
        checks: runs the checks.
        wanted: the checks that must succeed.
    """

    def __init__(self, name: str, checks: HealthChecks, wanted: tuple[Name, ...]) -> None:
        self.name = name
        self._checks = checks
        self._wanted = wanted

    def on_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Run the checks and write the reply."""
        request_of(req).style = JSON
        found = self._checks.run(self._wanted)
        healthy = all(state == "ok" for state in found.values())
        body = {"status": "ok" if healthy else "failed", "checks": found}
        write_reply(resp, JSON, body, 200 if healthy else 503)

    on_options = on_request
