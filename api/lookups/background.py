"""Lookups that nobody waits for: published as tasks of their own, their answers fetched later."""

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

MOST_WAITING: Final = 5_000
"""Messages in the queue beyond which further background lookups are refused."""

logger = structlog.get_logger("acoustid.api.background")


class BackgroundLookups:
    """Publishes lookups and finds their outcomes, which any front end can do afterwards.

    Args:
        client: to Redis.
        send: publishes a lookup under a task id; raises `kombu.exceptions.OperationalError`
            without a broker.
    """

    def __init__(self, client: redis.Redis, send: Callable[[str, BackgroundLookup], None]) -> None:
        self._client = client
        self._send = send

    def start(self, question: BackgroundLookup, plan: ReplyPlan) -> str:
        """Publish the lookups of a request and return the task id.

        Args:
            question: what to look up.
            plan: how the reply is composed of the answers.

        Raises:
            ServiceUnavailableError: too many wait already, or Redis is away.
        """
        task_id = str(uuid.uuid4())
        try:
            if queue_lengths.waiting(self._client, queues.BACKGROUND) >= MOST_WAITING:
                raise ServiceUnavailableError
            background_records.create(self._client, task_id, plan.to_json())
            self._send(task_id, question)
        except (RedisError, OperationalError) as error:
            logger.error("a background lookup was refused", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
            # Where this fails too, the record expires: nobody knows its id.
            with suppress(RedisError):
                background_records.withdraw(self._client, task_id)
            raise ServiceUnavailableError from None
        return task_id

    def find(self, task_id: str) -> dict[str, Any] | None:
        """Return a lookup's state, times, and its result or the reason why it failed.

        Raises:
            redis.exceptions.RedisError: Redis is away.
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
