"""The chain of a batch of lookups: validate → dedupe → score → describe, which also replies."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import celery
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
from tasks import own_queue, replies
from tasks.celery import app
from tasks.mbids import note_missing
from tasks.services import services
from tasks.stage_events import StageRun, show_stages
from tasks.stage_task import TRANSIENT, StageTask, measured

logger = structlog.get_logger("acoustid.tasks.lookup")

Stage = Callable[[LookupBatch], LookupBatch]


class LookupTask(StageTask):
    """A stage of a lookup: quick to try again, and never silent when it gives up.

    With `[celery] fuse_lookup_stages` the worker goes on with the stages that follow in the chain
    instead of sending messages to the queue that it serves, and shows them as tasks. A stage that
    fails for a reason that passes is tried again with what came before it in the same task.
    """

    abstract = True
    max_retries: ClassVar = 2
    retry_backoff: ClassVar = False
    default_retry_delay: ClassVar = 0.2  # seconds; somebody is waiting
    retry_jitter: ClassVar = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the task; `work` measures each stage by itself."""
        return celery.Task.__call__(self, *args, **kwargs)

    def work(self, message: Message) -> Message | None:
        """Run the stage, and with fused stages those that follow.

        Returns:
            What the next task of the chain is given, None where the chain ends here.
        """
        batch = from_message(LookupBatch, message)
        following = self.request.chain or []
        names = [self.name]
        if services().settings.celery.fuse_lookup_stages:
            names += [each["task"] for each in reversed(following)]
        runs = []
        for name in names:
            now, begun = time.time(), time.perf_counter()
            if now > batch.deadline:
                logger.warning("lookup batch is late", batch=batch.id, lookups=len(batch.lookups))
                following.clear()
                return None
            with measured(name):
                batch = STAGES[name](batch)
            runs.append(StageRun(name, now, time.perf_counter() - begun))
        show_stages(self.app, self.request, f"({len(batch.lookups)} lookups)", runs[1:])
        del following[len(following) - len(names) + 1 :]
        return to_message(batch) if following else None

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
        replies.push(services().redis_line, batch.reply_to, reply)


@app.task(name="lookup.validate", base=LookupTask, bind=True)
def validate(self: LookupTask, message: Message) -> Message | None:
    """Decode the fingerprints."""
    return self.work(message)


@app.task(name="lookup.dedupe", base=LookupTask, bind=True)
def dedupe(self: LookupTask, message: Message) -> Message | None:
    """Find lookups that are asked twice."""
    return self.work(message)


@app.task(name="lookup.score", base=LookupTask, bind=True)
def score(self: LookupTask, message: Message) -> Message | None:
    """Search the index and score the candidates."""
    return self.work(message)


@app.task(name="lookup.describe", base=LookupTask, bind=True)
def describe(self: LookupTask, message: Message) -> Message | None:
    """Add the metadata that was asked for and send the answers to the front end."""
    return self.work(message)


def _validate(batch: LookupBatch) -> LookupBatch:
    services().metrics.batch_size("lookup", len(batch.lookups))
    logger.debug("lookup batch", batch=batch.id, lookups=len(batch.lookups))
    return validate_lookups(batch)


def _score(batch: LookupBatch) -> LookupBatch:
    return score_lookups(batch, services().index, services().databases, services().store)


def _describe(batch: LookupBatch) -> LookupBatch:
    for lookup in batch.lookups:
        services().metrics.lookup_search(hit=bool(lookup.hits))
    described = describe_lookups(batch, services().databases)
    if described.degraded:
        services().metrics.metadata_unavailable()
    described.reply.worker = own_queue.name()
    replies.push(services().redis_line, batch.reply_to, described.reply)
    note_missing(services().redis, described.missing_mbids)
    return batch


STAGES: Final[Mapping[str, Stage]] = {
    "lookup.validate": _validate,
    "lookup.dedupe": dedupe_lookups,
    "lookup.score": _score,
    "lookup.describe": _describe,
}
"""What each task does, by its name, in the order of the chain."""
