"""The base class of the tasks of lookups that a client waits for, and the reply to the client."""

from collections.abc import Sequence
from typing import Any

import celery
import structlog
from celery.exceptions import Ignore
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.messages import LookupReply
from tasks.outcomes.table import is_transient
from tasks.redis_state import lookup_replies
from tasks.stage_task import QuickStageTask
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.lookups.lookup_task")


class LookupTask(QuickStageTask):
    """A task of lookups. If it fails and will not be retried, it sends a reply without answers."""

    abstract = True
    Request = "tasks.fast_path.batch_task:UnacknowledgedRequest"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the task without metrics: `run_stage` counts and times each stage."""
        return celery.Task.__call__(self, *args, **kwargs)

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Send a reply without answers to the front end."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        message = args[0]  # not decoded: a malformed message may be the cause
        transient = is_transient(exc)
        reply = LookupReply(message["id"], [], failed=True, transient=transient)
        push_reply(message["reply_to"], reply)


def push_reply(key: str, reply: LookupReply) -> None:
    """Send a reply to the front end.

    Args:
        key: the Redis key of the front end's reply list.
        reply: the reply.

    Raises:
        celery.exceptions.Ignore: Redis did not answer within the limits `REDIS_REPLIES`. The task
            ends: a retry would wait for the same link, and the front end sends the batch again.
    """
    try:
        lookup_replies.push(worker_resources().reply_client, key, reply)
    except RedisTimeoutError:
        logger.warning("a reply to lookups could not be sent in time", batch=reply.id)
        raise Ignore from None
