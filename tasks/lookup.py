"""The stages of a batch of lookups: validate → dedupe → score → describe, which also replies.

They run as the chain of four tasks that is here, or all in one task: see `tasks.fast_path.fused`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import celery
import structlog
from celery.exceptions import Ignore

from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.describe import Described, describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import LookupBatch, LookupReply, Message, from_message, to_message
from tasks.base import TRANSIENT, StageTask, measured
from tasks.celery import app
from tasks.redis_state import lookup_replies
from tasks.upkeep import note_missing
from tasks.worker import services

logger = structlog.get_logger("acoustid.tasks.lookup")

Stage = Callable[[LookupBatch], LookupBatch]


class LookupTask(StageTask):
    """A task of lookups: quick to try again, and never silent when it gives up."""

    abstract = True
    Request = "tasks.fast_path.unacknowledged:UnacknowledgedRequest"
    max_retries: ClassVar = 2
    retry_backoff: ClassVar = False
    default_retry_delay: ClassVar = 0.2  # seconds; somebody is waiting
    retry_jitter: ClassVar = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any task's arguments
        """Run the task; `run_stage` measures each stage by itself."""
        return celery.Task.__call__(self, *args, **kwargs)

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
        message = args[0]  # as it came: its form may be the reason
        transient = isinstance(exc, TRANSIENT)
        reply = LookupReply(message["id"], [], failed=True, transient=transient)
        lookup_replies.push(services().reply_client, message["reply_to"], reply)


def send_chain(batch: LookupBatch) -> None:
    """Publish the chain for a batch.

    Raises:
        kombu.exceptions.OperationalError: the broker is away.
    """
    chain = validate.s(to_message(batch)) | dedupe.s() | score.s() | describe.s()
    chain.apply_async()


@app.task(name="lookup.validate", base=LookupTask)
def validate(message: Message) -> Message:
    """Decode the fingerprints."""
    return _run("lookup.validate", message)


@app.task(name="lookup.dedupe", base=LookupTask)
def dedupe(message: Message) -> Message:
    """Find lookups that are asked twice."""
    return _run("lookup.dedupe", message)


@app.task(name="lookup.score", base=LookupTask)
def score(message: Message) -> Message:
    """Search the index and score the candidates."""
    return _run("lookup.score", message)


@app.task(name="lookup.describe", base=LookupTask)
def describe(message: Message) -> None:
    """Add the metadata that was asked for and send the answers to the front end."""
    _run("lookup.describe", message)


def run_stage(name: str, batch: LookupBatch) -> LookupBatch:
    """Run one stage of a batch, measured under its name; return the batch for the next one.

    Raises:
        celery.exceptions.Ignore: the batch is late, so the task and its chain end here.
    """
    if time.time() > batch.deadline:
        logger.warning("lookup batch is late", batch=batch.id, lookups=len(batch.lookups))
        raise Ignore
    with measured(name):
        return STAGES[name](batch)


def _run(name: str, message: Message) -> Message:
    return to_message(run_stage(name, from_message(LookupBatch, message)))


def _validate(batch: LookupBatch) -> LookupBatch:
    services().metrics.batch_size("lookup", len(batch.lookups))
    logger.debug("lookup batch", batch=batch.id, lookups=len(batch.lookups))
    return validate_lookups(batch)


def score_batch(batch: LookupBatch) -> LookupBatch:
    """Search the index and score the candidates, with this process's resources."""
    return score_lookups(batch, services().index, services().databases, services().store)


def describe_batch(batch: LookupBatch) -> Described:
    """Count the hits and add the metadata, with this process's resources."""
    for lookup in batch.lookups:
        services().metrics.lookup_search(hit=bool(lookup.hits))
    described = describe_lookups(batch, services().databases)
    if described.degraded:
        services().metrics.metadata_unavailable()
    return described


def _describe(batch: LookupBatch) -> LookupBatch:
    described = describe_batch(batch)
    lookup_replies.push(services().reply_client, batch.reply_to, described.reply)
    note_missing(services().redis, described.missing_mbids)
    return batch


STAGES: Final[Mapping[str, Stage]] = {
    "lookup.validate": _validate,
    "lookup.dedupe": dedupe_lookups,
    "lookup.score": score_batch,
    "lookup.describe": _describe,
}
"""What each stage does, by the name of its task, in their order."""
