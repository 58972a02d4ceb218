"""The stages of the two kinds of lookups, with the resources of this process.

Both kinds have the stages validate → dedupe → score → describe. The last one also sends the reply.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NoReturn

import structlog
from celery.exceptions import Ignore

from pipeline.index.errors import SearchTimeout
from pipeline.lookups.condition import Condition
from pipeline.lookups.dedupe import dedupe_lookups
from pipeline.lookups.describe import Described, describe_lookups
from pipeline.lookups.excerpts.score import score_excerpts
from pipeline.lookups.excerpts.second_chance import give_second_chances, waiting_lookups
from pipeline.lookups.excerpts.validate import validate_excerpts
from pipeline.lookups.score import score_lookups
from pipeline.lookups.trusted_index import IndexUnusable
from pipeline.lookups.trusted_sketch import SketchUnusable, UsableSketch
from pipeline.lookups.validate import validate_lookups
from pipeline.messages import LookupBatch, LookupReply, Message, from_message, to_message
from pipeline.runtime.links.deadline import ends_within
from tasks import queues, task_names
from tasks.lookups.lookup_task import LookupTask, push_reply
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.missing_mbid_set import add_missing_mbids
from tasks.stage_chain import send_chain
from tasks.stage_task import task_metrics
from tasks.task_names import BatchTasks
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.lookups.stages")

MOST_PASSES: Final = 3
"""Number of times that a batch is passed on to another worker."""

LONGEST_STAGE: Final = 8.0
"""Maximum seconds for which a stage uses a database. Celery does not limit the pool `solo`."""

REPLY_SECONDS: Final = 0.5
"""Seconds before the deadline of a batch at which second chances end.

So the answers of a batch arrive in time, whatever the sketch index needs.
"""

Stage = Callable[[LookupBatch], LookupBatch]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of lookups.

    Attributes:
        name: its name in metrics and logs.
        tasks: the names of its tasks.
        validate: the work of its first stage.
        score: the work of its third stage; raises `SearchTimeout` and `IndexUnusable`.
        can_answer: whether a worker reports that it can score a batch.
    """

    name: str
    tasks: BatchTasks
    validate: Stage
    score: Stage
    can_answer: Callable[[WorkerReport], bool]


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


def run_stage_of_message(name: str, message: Message) -> Message:
    """Do the same as `run_stage` with a batch as a message."""
    return to_message(run_stage(name, from_message(LookupBatch, message)))


def describe_batch(batch: LookupBatch) -> Described:
    """Count hits and add the metadata, with the resources of this process."""
    resources = worker_resources()
    for lookup in batch.lookups:
        resources.metrics.lookup_search(
            hit=bool(lookup.hits), partial=lookup.partial, excerpt=lookup.excerpt
        )
    deadline = time.monotonic() + _seconds_left(batch)
    described = describe_lookups(batch, resources.databases, deadline)
    if described.degraded:
        resources.metrics.metadata_unavailable()
    return described


def _seconds_left(batch: LookupBatch) -> float:
    """Return the seconds until the deadline of a batch."""
    return batch.deadline - worker_resources().clock.now()


def _time_for_search(batch: LookupBatch) -> float:
    """Return the seconds until the deadline of a batch.

    Raises:
        SearchTimeout: the deadline has passed.
    """
    left = _seconds_left(batch)
    if left <= 0:
        raise SearchTimeout("the deadline of the lookups has passed")
    return left


def _end_late(batch: LookupBatch) -> NoReturn:
    """End the task without a reply: each request has got a 503 at its deadline."""
    logger.warning("lookup batch is late", batch=batch.id, lookups=len(batch.lookups))
    raise Ignore


def _score_lookups(batch: LookupBatch) -> LookupBatch:
    resources = worker_resources()
    scored = score_lookups(
        batch,
        resources.index,
        resources.databases,
        resources.store,
        max_postings=resources.settings.fingerprint_index.max_postings or None,
        timeout=_time_for_search(batch),
    )
    if lookups := waiting_lookups(scored):
        give_second_chances(
            lookups,
            _sketch,
            resources.databases,
            resources.store,
            timeout=_seconds_left(batch) - REPLY_SECONDS,
        )
        resources.metrics.second_chances(
            len(lookups), found=sum(bool(lookup.hits) for lookup in lookups)
        )
    return scored


def _score_excerpts(batch: LookupBatch) -> LookupBatch:
    resources = worker_resources()
    return score_excerpts(
        batch, _sketch, resources.databases, resources.store, timeout=_time_for_search(batch)
    )


def _sketch() -> UsableSketch:
    """Return the sketch index.

    Raises:
        SketchUnusable: it is not usable, or the settings of this worker disable it.
    """
    sketch = worker_resources().sketch
    if sketch is None:
        raise SketchUnusable(Condition.MISSING)
    return sketch.current()


def _finds_lookups(report: WorkerReport) -> bool:
    return queues.LOOKUP in report.queues and report.index is Condition.OK


def _finds_excerpts(report: WorkerReport) -> bool:
    queue = queues.queue_of_excerpts(worker_resources().settings.celery)
    return queue in report.queues and report.sketch is Condition.OK


LOOKUPS: Final = Kind("lookup", task_names.LOOKUP, validate_lookups, _score_lookups, _finds_lookups)
"""Ordinary lookups, which the public algorithm finds, and their second chances."""

EXCERPTS: Final = Kind(
    "excerpt", task_names.EXCERPT, validate_excerpts, _score_excerpts, _finds_excerpts
)
"""Lookups of excerpts, which the sketch index finds."""


def _validate(kind: Kind, batch: LookupBatch) -> LookupBatch:
    worker_resources().metrics.batch_size(kind.name, len(batch.lookups))
    logger.debug("lookup batch", kind=kind.name, batch=batch.id, lookups=len(batch.lookups))
    return kind.validate(batch)


def _score(kind: Kind, batch: LookupBatch) -> LookupBatch:
    """Score a batch; if the index can't be used, pass it on or send a reply without answers.

    The batch is passed on if another worker reports a usable index. The index stays unusable for
    longer than the retries of a lookup take. `TrustedIndex` logs the reason once, so a batch logs
    nothing.
    """
    try:
        return kind.score(batch)
    except IndexUnusable:
        if batch.passes < MOST_PASSES and any(
            map(kind.can_answer, heartbeats.reports(worker_resources().redis))
        ):
            passed_on = replace(batch, passes=batch.passes + 1)
            _, _, *others = kind.tasks.stages
            send_chain(others, to_message(passed_on), f"({len(batch.lookups)} lookups)")
            raise Ignore from None
        push_reply(batch.reply_to, LookupReply(batch.id, [], failed=True, transient=True))
        raise Ignore from None
    except SearchTimeout:
        if _seconds_left(batch) > LookupTask.default_retry_delay:
            raise  # a retry has time left: an index server was slow
        _end_late(batch)


def _describe(batch: LookupBatch) -> LookupBatch:
    described = describe_batch(batch)
    push_reply(batch.reply_to, described.reply)
    add_missing_mbids(worker_resources().redis, described.missing_mbids)
    return batch


def _stages(kind: Kind) -> dict[str, Stage]:
    functions = (partial(_validate, kind), dedupe_lookups, partial(_score, kind), _describe)
    return dict(zip(kind.tasks.stages, functions, strict=True))


STAGES: Final[Mapping[str, Stage]] = {**_stages(LOOKUPS), **_stages(EXCERPTS)}
"""The function of each stage by the name of its task."""
