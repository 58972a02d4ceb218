"""The chain of a batch of lookups: validate → dedupe → score → describe, which also replies."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import structlog

from pipeline.stages.dedupe import dedupe_lookups
from pipeline.stages.describe import describe_lookups
from pipeline.stages.messages import (
    LookupBatch,
    LookupReply,
    Message,
    from_message,
    to_message,
)
from pipeline.stages.score import score_lookups
from pipeline.stages.validate import validate_lookups
from tasks import replies
from tasks.celery import app
from tasks.mbids import note_missing
from tasks.services import services
from tasks.stage_task import TRANSIENT, StageTask

logger = structlog.get_logger("acoustid.tasks.lookup")


class LookupTask(StageTask):
    """A stage of a lookup: quick to try again, and never silent when it gives up.

    With `[celery] fuse_lookup_stages` the worker goes on with the next stage itself instead of
    sending a message to the queue that it serves.
    """

    abstract = True
    max_retries: ClassVar = 2
    retry_backoff: ClassVar = False
    default_retry_delay: ClassVar = 0.2  # seconds; somebody is waiting
    retry_jitter: ClassVar = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the stage, and with fused stages those that follow."""
        result = super().__call__(*args, **kwargs)
        following = self.request.chain
        while following and services().settings.celery.fuse_lookup_stages:
            result = app.tasks[following.pop()["task"]](result)
        return result

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Tell the front end that no answer will come."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        batch = from_message(LookupBatch, args[0])
        reply = LookupReply(batch.id, [], failed=True, transient=isinstance(exc, TRANSIENT))
        replies.push(services().redis, batch.reply_to, reply)


@app.task(name="lookup.validate", base=LookupTask)
def validate(message: Message) -> Message:
    """Decode the fingerprints."""
    batch = from_message(LookupBatch, message)
    services().metrics.batch_size("lookup", len(batch.lookups))
    logger.info("lookup batch", batch=batch.id, lookups=len(batch.lookups))
    return to_message(validate_lookups(batch))


@app.task(name="lookup.dedupe", base=LookupTask)
def dedupe(message: Message) -> Message:
    """Find lookups that are asked twice."""
    return to_message(dedupe_lookups(from_message(LookupBatch, message)))


@app.task(name="lookup.score", base=LookupTask)
def score(message: Message) -> Message:
    """Search the index and score the candidates."""
    batch = score_lookups(
        from_message(LookupBatch, message), services().index, services().databases
    )
    return to_message(batch)


@app.task(name="lookup.describe", base=LookupTask)
def reply(message: Message) -> None:
    """Add the metadata that was asked for and send the answers to the front end."""
    batch = from_message(LookupBatch, message)
    if time.time() > batch.deadline:
        logger.warning("lookup batch is late", batch=batch.id, lookups=len(batch.lookups))
        return
    for lookup in batch.lookups:
        services().metrics.lookup_search(hit=bool(lookup.hits))
    described = describe_lookups(batch, services().databases)
    if described.degraded:
        services().metrics.metadata_unavailable()
    replies.push(services().redis, batch.reply_to, described.reply)
    note_missing(services().redis, described.missing_mbids)
