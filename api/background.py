"""Lookups that nobody waits for: begun at once, their answers kept in Redis for an hour."""

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final

import redis
import structlog
from redis.exceptions import RedisError

from api.errors import ApiError, ServiceUnavailableError
from pipeline.runtime.trace import current_trace_id, trace

KEPT: Final = 3600
"""Seconds for which an answer can be asked for."""

THREADS: Final = 32
MOST: Final = 500
"""Lookups that a process has under way or waiting; further ones are refused."""

GRACE: Final = 5.0
"""Seconds after which a lookup that should long have ended counts as lost with its process."""

Record = dict[str, Any]

logger = structlog.get_logger("acoustid.api.background")


class BackgroundLookups:
    """Runs lookups on threads of its own, which start with the first one.

    Args:
        client: to Redis.
        timeout: seconds that a lookup may take.
    """

    def __init__(self, client: redis.Redis, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._room = threading.BoundedSemaphore(MOST)
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None

    def start(self, work: Callable[[], Record]) -> str:
        """Begin a lookup and return its task id.

        Args:
            work: returns the body of the reply, or raises an `ApiError`.

        Raises:
            ServiceUnavailableError: too many are under way, or Redis is away.
        """
        if not self._room.acquire(blocking=False):
            raise ServiceUnavailableError
        task_id = str(uuid.uuid4())
        record = {"state": "pending", "created": _now(), "asked": time.time()}
        try:
            self._store(task_id, record)
            self._threads().submit(self._run, task_id, record, work, current_trace_id())
        except (RedisError, RuntimeError) as error:
            self._room.release()
            logger.error("a background lookup was refused", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
            raise ServiceUnavailableError from None
        return task_id

    def find(self, task_id: str) -> Record | None:
        """Return a lookup's state, times, and its result or the reason why it failed.

        Raises:
            redis.exceptions.RedisError: Redis is away.
        """
        stored = self._client.get(_key(task_id))
        if stored is None:
            return None
        record: Record = json.loads(stored)
        asked = record.pop("asked")
        if "finished" not in record and time.time() > asked + 2 * self._timeout + GRACE:
            record.update(state="failed", reason="the process that ran the lookup was stopped")
        return record

    def close(self) -> None:
        """Begin no more lookups."""
        with self._lock:
            if self._executor is not None:
                self._executor.shutdown(wait=False, cancel_futures=True)

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="background")
            return self._executor

    def _run(
        self, task_id: str, record: Record, work: Callable[[], Record], trace_id: str | None
    ) -> None:
        with trace(trace_id):
            try:
                self._store(task_id, {**record, "state": "running", "started": _now()})
                self._store(task_id, {**record, "started": _now(), **_outcome(work)})
            except RedisError as error:
                logger.error("a background lookup has no record", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
            finally:
                self._room.release()

    def _store(self, task_id: str, record: Record) -> None:
        self._client.set(_key(task_id), json.dumps(record), ex=KEPT)


def _outcome(work: Callable[[], Record]) -> Record:
    try:
        result = work()
    except ApiError as error:
        return {"state": "failed", "reason": error.message, "finished": _now()}
    except Exception:
        logger.exception("a background lookup failed")
        return {"state": "failed", "reason": "internal error", "finished": _now()}
    return {"state": "finished", "result": result, "finished": _now()}


def _key(task_id: str) -> str:
    return f"lookup:task:{task_id}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
