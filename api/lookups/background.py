"""Background lookups (``async=1``): published as tasks, whose results are read later."""

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import redis
import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from api.http.errors import ApiError, ServiceUnavailableError
from api.lookups.reply_plan import ReplyPlan
from pipeline.messages import BackgroundLookup
from tasks import queues
from tasks.redis_state import background_records, queue_lengths

MAX_WAITING: Final = 5_000
"""Messages in the queue from which on further background lookups are refused."""

logger = structlog.get_logger("acoustid.api.lookups.background")


class BackgroundLookups:
    """Publishes background lookups and reads their results.

    The records are in Redis, so any front end can read the results.

    Args:
        client: to Redis.
        send: publishes a lookup under a task id; raises `kombu.exceptions.OperationalError` if
            the broker is not available.
    """

    def __init__(self, client: redis.Redis, send: Callable[[str, BackgroundLookup], None]) -> None:
        self._client = client
        self._send = send

    def start(self, lookup: BackgroundLookup, plan: ReplyPlan) -> str:
        """Publish the lookups of a request and return the task id.

        Args:
            lookup: the lookups of the request.
            plan: how the reply is composed of the answers.

        Raises:
            ServiceUnavailableError: too many wait already, or Redis is not available.
        """
        task_id = str(uuid.uuid4())
        try:
            if queue_lengths.waiting(self._client, queues.BACKGROUND) >= MAX_WAITING:
                raise ServiceUnavailableError
            background_records.create(self._client, task_id, plan.to_json())
            self._send(task_id, lookup)
        except (RedisError, OperationalError) as error:
            logger.error("a background lookup was refused", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
            # If this fails too, the record expires; no client has its id.
            with suppress(RedisError):
                background_records.withdraw(self._client, task_id)
            raise ServiceUnavailableError from None
        return task_id

    def find(self, task_id: str) -> dict[str, Any] | None:
        """Return the state and times of a lookup, and its result or the reason of its failure.

        Returns:
            The fields of the task in the reply of ``/v2/task``; None if there is no such lookup.

        Raises:
            redis.exceptions.RedisError: Redis is not available.
        """
        record = background_records.find(self._client, task_id)
        if record is None:
            return None
        plan, answers = record.pop("plan"), record.pop("answers", None)
        record.pop("attempts", None)
        if answers is None:
            return record
        try:
            return {**record, "result": ReplyPlan.from_json(plan).compose(json.loads(answers))}
        except ApiError as error:  # no item of the request was valid
            return {**record, "state": "failed", "reason": error.message}
