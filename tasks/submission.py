"""The chain that imports a batch of submissions: validate → dedupe → score → persist → index.

`tasks.dispatch` publishes the chain. Its last task is `index.update` in `tasks.index`. A retry
repeats one stage, not the chain.
"""

from collections.abc import Sequence

import structlog
from celery import current_task

from pipeline.catalog.ingest import leases
from pipeline.imports.all_stages import persist_current
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.duration_mismatches import duration_mismatches
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.messages import Message, SubmissionBatch, from_message, to_message
from tasks.celery import app
from tasks.imports.waiting_submissions import send_next
from tasks.outcomes.submission_task import SubmissionTask
from tasks.redis_state.task_progress import set_stage
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.submission")


@app.task(name="submission.validate", base=SubmissionTask, bind=True)
def validate(self: SubmissionTask, submission_ids: list[int]) -> Message:
    """Reject submissions that can't be imported."""
    worker_resources().metrics.batch_size("submission", len(submission_ids))
    _renew_leases(submission_ids)
    batch = validate_submissions(submission_ids, worker_resources().databases)
    set_stage(worker_resources().redis, batch.task_ids, "validate")
    rejected = len(submission_ids) - len(batch.submissions)
    worker_resources().metrics.submissions_ended("rejected", rejected)
    logger.info("submission batch", submissions=len(submission_ids), rejected=rejected)
    return _next_stage(self, batch)


@app.task(name="submission.dedupe", base=SubmissionTask, bind=True)
def dedupe(self: SubmissionTask, message: Message) -> Message:
    """Leave out submissions that are imported already; find fingerprints with the same words."""
    batch = _begin_stage(message, "dedupe")
    return _next_stage(self, dedupe_submissions(batch, worker_resources().databases))


@app.task(name="submission.score", base=SubmissionTask, bind=True)
def score(self: SubmissionTask, message: Message) -> Message:
    """Compare with stored fingerprints that the index and the changelog return."""
    batch = _begin_stage(message, "score")
    return _next_stage(
        self,
        match_submissions(batch, worker_resources().import_index, worker_resources().databases),
    )


@app.task(name="submission.persist", base=SubmissionTask)
def persist(message: Message) -> int:
    """Write the submissions into the catalogue; return the changelog position for the index."""
    batch = _begin_stage(message, "persist")
    position = persist_current(batch, worker_resources().import_index, worker_resources().databases)
    worker_resources().metrics.imported_submissions(len(batch.submissions))
    set_stage(worker_resources().redis, batch.task_ids, "index")
    _count_duration_mismatches(batch)
    send_next(worker_resources())
    return position


def _count_duration_mismatches(batch: SubmissionBatch) -> None:
    ids = [submission.id for submission in batch.submissions]
    found = duration_mismatches(ids, worker_resources().databases)
    worker_resources().metrics.duration_mismatches(len(found))


def _begin_stage(message: Message, stage: str) -> SubmissionBatch:
    batch = from_message(SubmissionBatch, message)
    set_stage(worker_resources().redis, batch.task_ids, stage)
    delivery = current_task.request.delivery_info
    if delivery is not None and delivery.get("redelivered"):
        _renew_leases([submission.id for submission in batch.submissions])
    return batch


def _renew_leases(submission_ids: Sequence[int]) -> None:
    """Renew the leases, so that the submissions are not sent again while this chain runs."""
    with worker_resources().databases.engine("ingest").begin() as connection:
        leases.renew(connection, submission_ids)


def _next_stage(task: SubmissionTask, batch: SubmissionBatch) -> Message:
    """Return the message for the next stage. If the batch is empty, end the chain."""
    if not batch.submissions and task.request.chain:
        task.request.chain.clear()
        send_next(worker_resources())
    return to_message(batch)
