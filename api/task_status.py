"""``/v2/task/{task_id}``: returns the state of submissions or of a background lookup."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import redis
from redis.exceptions import RedisError

from api.access.access_control import AccessControl, CountedEndpoint
from api.http.endpoint import ApiRequest
from api.http.errors import NotFoundError, ServiceUnavailableError
from api.http.parameters import parse_uuid
from api.lookups.background import BackgroundLookups
from api.submissions.endpoint import show_submission
from pipeline.catalog.ingest.submission_status import TaskStatus, task_status
from pipeline.runtime.databases import Databases
from tasks.redis_state.task_progress import progress_key


class TaskEndpoint(CountedEndpoint):
    """Returns the state of a task. No key is needed, since task ids are random.

    Args:
        access: checks and counts the requests.
        databases: the submissions are in the ingest database.
        client: a Redis client; the progress of tasks is in Redis.
        background: returns the states of background lookups.
    """

    name: ClassVar[str] = "task"

    def __init__(
        self,
        access: AccessControl,
        databases: Databases,
        client: redis.Redis,
        background: BackgroundLookups,
    ) -> None:
        super().__init__(access)
        self._databases = databases
        self._client = client
        self._background = background

    def answer(self, request: ApiRequest) -> dict[str, Any]:
        """Return the state, stage, times and result of a task."""
        task_id = parse_uuid(request.path_fields["task_id"])
        found = None
        if task_id is not None:
            found = self._submission_task(task_id) or self._lookup_task(task_id)
        if found is None:
            raise NotFoundError("no task has this id, or its result has expired")
        return {"task": {"id": str(task_id), **found}}

    def _submission_task(self, task_id: UUID) -> dict[str, Any] | None:
        status = task_status(self._databases, task_id)
        if status is None:
            return None
        stage, started = self._progress(task_id)
        return {
            "kind": "submission",
            "state": _state(status, begun=started is not None),
            "stage": stage,
            "created": _iso(status.created),
            "started": started,
            "finished": None if status.finished is None else _iso(status.finished),
            "result": {
                "submissions": [show_submission(each.id, each) for each in status.submissions]
            },
        }

    def _progress(self, task_id: UUID) -> tuple[str | None, str | None]:
        """Return the name and the start of the stage, which a worker stores in Redis.

        Both are None before the first stage, and if Redis is unreachable.
        """
        try:
            stage, started = self._client.hmget(progress_key(str(task_id)), ["stage", "started"])
        except RedisError:
            return None, None
        if stage is None or started is None:
            return None, None
        return _text(stage), _iso(datetime.fromtimestamp(float(started), UTC))

    def _lookup_task(self, task_id: UUID) -> dict[str, Any] | None:
        try:
            record = self._background.find(str(task_id))
        except RedisError:
            raise ServiceUnavailableError from None
        if record is None:
            return None
        empty = {"stage": None, "started": None, "finished": None}
        return {"kind": "lookup", **empty, **record}


def _state(status: TaskStatus, *, begun: bool) -> str:
    """Return the state of the task; it is ``failed`` if any submission failed."""
    if status.finished is None:
        return "running" if begun else "pending"
    failed = any(each.state == "failed" for each in status.submissions)
    return "failed" if failed else "finished"


def _text(stored: bytes | str) -> str:
    return stored if isinstance(stored, str) else stored.decode("ascii")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
