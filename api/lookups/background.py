"""Background lookups (``async=1``): publishes tasks, and returns their results later."""

import json
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import redis
import structlog
from redis.exceptions import RedisError

from api.access.redis_outage import BROKER_UNREACHABLE, RedisCircuitBreaker
from api.http.errors import ApiError, ServiceUnavailableError
from api.lookups.reply_plan import ReplyPlan
from pipeline.messages import BackgroundLookup
from tasks import queues
from tasks.redis_state import background_records, queue_lengths

MAX_WAITING: Final = 5_000
"""Maximum number of waiting background lookups; further ones are refused."""

logger = structlog.get_logger("acoustid.api.lookups.background")


class BackgroundLookups:
    """Publishes background lookups, and reads their results.

    The records of the tasks are in Redis, so every front-end process can read the results.

    Args:
        client: a Redis client.
        send: publishes a lookup, given its task id; raises `BROKER_UNREACHABLE`.
        kept: seconds for which results are kept; 0 for ever.
        breaker: refuses lookups and reads at once while Redis is known to be unreachable.
    """

    def __init__(
        self,
        client: redis.Redis,
        send: Callable[[str, BackgroundLookup], None],
        kept: int = background_records.KEPT,
        breaker: RedisCircuitBreaker | None = None,
    ) -> None:
        self._client = client
        self._send = send
        self._kept = kept
        self._breaker = breaker or RedisCircuitBreaker()

    def start(self, lookup: BackgroundLookup, plan: ReplyPlan) -> str:
        """Publish the lookups of a request and return the task id.

        Args:
            lookup: the lookups of the request.
            plan: composes the reply from the answers.

        Raises:
            ServiceUnavailableError: too many background lookups wait, or Redis is unreachable.
        """
        task_id = str(uuid.uuid4())
        attempt = self._breaker.attempt()
        if not attempt:
            raise ServiceUnavailableError
        try:
            is_full = queue_lengths.waiting(self._client, queues.BACKGROUND) >= MAX_WAITING
            if not is_full:
                background_records.create(self._client, task_id, plan.to_json(), kept=self._kept)
                self._publish(task_id, lookup)
        except BROKER_UNREACHABLE as error:
            self._breaker.failed(error, attempt)
            logger.error("a background lookup was refused", error=type(error).__name__)  # noqa: TRY400 - an outage, not a bug
            raise ServiceUnavailableError from None
        except BaseException:
            self._breaker.withdraw(attempt)
            raise
        self._breaker.succeeded()
        if is_full:
            raise ServiceUnavailableError
        return task_id

    def _publish(self, task_id: str, lookup: BackgroundLookup) -> None:
        try:
            self._send(task_id, lookup)
        except BROKER_UNREACHABLE:
            # If this also fails, the record expires. No client has its id.
            with suppress(RedisError):
                background_records.withdraw(self._client, task_id)
            raise

    def find(self, task_id: str) -> dict[str, Any] | None:
        """Return the state and times of a background lookup, and its result or failure reason.

        Returns:
            The fields of the task in the reply of ``/v2/task``; None if no lookup has the id.

        Raises:
            redis.exceptions.RedisError: Redis is unreachable.
        """
        record = self._breaker.run(lambda: background_records.find(self._client, task_id))
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
