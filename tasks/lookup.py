"""The stages of a batch of lookups as Celery tasks: validate → dedupe → score → describe.

They run as a chain of these four tasks, or all in one task (`tasks.fast_path.batch_task`). The last
stage also sends the reply.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

import celery
import structlog
from celery.exceptions import Ignore
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline.index.errors import SearchTimeout
from pipeline.lookups.condition import Condition
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.describe import Described, describe_lookups
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import LookupBatch, LookupReply, Message, from_message, to_message
from pipeline.runtime.links.deadline import ends_within
from tasks.celery import app
from tasks.outcomes.table import is_transient
from tasks.queues import LOOKUP
from tasks.redis_state import heartbeats, lookup_replies
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.missing_mbid_set import add_missing_mbids
from tasks.stage_task import QuickStageTask, task_metrics
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.lookup")

MOST_PASSES: Final = 3
"""Number of times that a batch is passed on to another worker."""

LONGEST_STAGE: Final = 8.0
"""Maximum seconds for which a stage uses a database. Celery does not limit the pool `solo`."""

Stage = Callable[[LookupBatch], LookupBatch]


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
        _push(message["reply_to"], reply)


@app.task(name="lookup.validate", base=LookupTask)
def validate(message: Message) -> Message:
    """Decode the fingerprints."""
    return _run("lookup.validate", message)


@app.task(name="lookup.dedupe", base=LookupTask)
def dedupe(message: Message) -> Message:
    """Find equal lookups."""
    return _run("lookup.dedupe", message)


@app.task(name="lookup.score", base=LookupTask)
def score(message: Message) -> Message:
    """Search the index and score the candidates."""
    return _run("lookup.score", message)


@app.task(name="lookup.describe", base=LookupTask)
def describe(message: Message) -> None:
    """Add the requested metadata and send the answers to the front end."""
    _run("lookup.describe", message)


def run_stage(name: str, batch: LookupBatch) -> LookupBatch:
    """Run one stage of a batch; count and time it under its name.

    Args:
        name: a key of `STAGES`.
        batch: the result of the stage before.

    Returns:
        The batch for the next stage.

    Raises:
        celery.exceptions.Ignore: the batch's deadline has passed. The task and its chain end.
    """
    if _seconds_left(batch) < 0:
        _end_late(batch)
    with task_metrics(name), ends_within(LONGEST_STAGE):
        return STAGES[name](batch)


def _seconds_left(batch: LookupBatch) -> float:
    """Return the seconds until the deadline of a batch."""
    return batch.deadline - worker_resources().clock.now()


def _end_late(batch: LookupBatch) -> NoReturn:
    """End the task without a reply: each request has got a 503 at its deadline."""
    logger.warning("lookup batch is late", batch=batch.id, lookups=len(batch.lookups))
    raise Ignore


def _run(name: str, message: Message) -> Message:
    return to_message(run_stage(name, from_message(LookupBatch, message)))


def _validate(batch: LookupBatch) -> LookupBatch:
    worker_resources().metrics.batch_size("lookup", len(batch.lookups))
    logger.debug("lookup batch", batch=batch.id, lookups=len(batch.lookups))
    return validate_lookups(batch)


def score_batch(batch: LookupBatch) -> LookupBatch:
    """Search the index and score the candidates, with the resources of this process.

    Raises:
        SearchTimeout: the search did not end before the batch's deadline.
    """
    resources = worker_resources()
    left = _seconds_left(batch)
    if left <= 0:
        raise SearchTimeout("the deadline of the lookups has passed")
    return score_lookups(
        batch,
        resources.index,
        resources.databases,
        resources.store,
        max_postings=resources.settings.fingerprint_index.max_postings or None,
        timeout=left,
    )


def _score(batch: LookupBatch) -> LookupBatch:
    """Score a batch; if the index can't be used, pass it on or send a reply without answers.

    The batch is passed on if another worker reports a usable index. The index stays unusable for
    longer than the retries of a lookup take. `TrustedIndex` logs the reason once, so a batch logs
    nothing.
    """
    try:
        return score_batch(batch)
    except IndexUnusable:
        if batch.passes < MOST_PASSES and any_can_answer(
            heartbeats.reports(worker_resources().redis)
        ):
            passed_on = to_message(replace(batch, passes=batch.passes + 1))
            (score.s(passed_on) | describe.s()).apply_async()
            raise Ignore from None
        _push(batch.reply_to, LookupReply(batch.id, [], failed=True, transient=True))
        raise Ignore from None
    except SearchTimeout:
        if _seconds_left(batch) > LookupTask.default_retry_delay:
            raise  # a retry has time left: an index server was slow
        _end_late(batch)


def _push(key: str, reply: LookupReply) -> None:
    """Send a reply to the front end.

    Raises:
        celery.exceptions.Ignore: Redis did not answer within the limits `REDIS_REPLIES`. The task
            ends: a retry would wait for the same link, and the front end sends the batch again.
    """
    try:
        lookup_replies.push(worker_resources().reply_client, key, reply)
    except RedisTimeoutError:
        logger.warning("a reply to lookups could not be sent in time", batch=reply.id)
        raise Ignore from None


def any_can_answer(reports: Iterable[WorkerReport]) -> bool:
    """Return whether a lookup worker reports a usable index."""
    return any(LOOKUP in each.queues and each.index is Condition.OK for each in reports)


def describe_batch(batch: LookupBatch) -> Described:
    """Count hits and add the metadata, with the resources of this process."""
    resources = worker_resources()
    for lookup in batch.lookups:
        resources.metrics.lookup_search(hit=bool(lookup.hits), partial=lookup.partial)
    deadline = time.monotonic() + _seconds_left(batch)
    described = describe_lookups(batch, resources.databases, deadline)
    if described.degraded:
        resources.metrics.metadata_unavailable()
    return described


def _describe(batch: LookupBatch) -> LookupBatch:
    described = describe_batch(batch)
    _push(batch.reply_to, described.reply)
    add_missing_mbids(worker_resources().redis, described.missing_mbids)
    return batch


STAGES: Final[Mapping[str, Stage]] = {
    "lookup.validate": _validate,
    "lookup.dedupe": dedupe_lookups,
    "lookup.score": _score,
    "lookup.describe": _describe,
}
"""The function of each stage by the name of its task, in the order in which they run."""
