"""The chain that imports a batch of submissions: validate → dedupe → score → persist → index.

`tasks.dispatch` publishes the chain. Its last task is `index.update` in `tasks.index`. A retry
repeats one stage, not the chain.
"""

from collections.abc import Sequence
from typing import Any

import structlog

from pipeline.catalog.ingest import submissions
from pipeline.imports.all_stages import persist_current
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.duration_mismatches import duration_mismatches
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.messages import Message, SubmissionBatch, from_message, to_message
from pipeline.runtime.trace import current_trace_id
from tasks.celery import app
from tasks.dispatch import send_submissions
from tasks.redis_state.task_progress import set_stage
from tasks.stage_task import TRANSIENT, StageTask
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.submission")


class SubmissionTask(StageTask):
    """A stage of the import. A faulty submission does not stop the other ones of its batch.

    If a batch fails with an error that is not transient, each half of it is started again as a
    separate batch. A batch of one submission gets the final state `failed`. If the error is
    transient and all retries fail, the submissions stay pending, and `maintenance.sweep_receipts`
    starts them again.
    """

    abstract = True

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Start both halves of the batch again, or set the final state of a single submission."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        if isinstance(exc, TRANSIENT):
            return
        ids = _submission_ids(args)
        if len(ids) > 1:
            middle = len(ids) // 2
            send_submissions(ids[:middle])
            send_submissions(ids[middle:])
            return
        reason = f"internal error in {self.name} (trace {current_trace_id()})"
        with worker_resources().databases.engine("ingest").begin() as connection:
            failed = submissions.finish(connection, ids, "failed", reason)
        worker_resources().metrics.submissions_ended("failed", failed)


@app.task(name="submission.validate", base=SubmissionTask, bind=True)
def validate(self: SubmissionTask, submission_ids: list[int]) -> Message:
    """Reject submissions that can't be imported."""
    worker_resources().metrics.batch_size("submission", len(submission_ids))
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
        self, match_submissions(batch, worker_resources().index, worker_resources().databases)
    )


@app.task(name="submission.persist", base=SubmissionTask)
def persist(message: Message) -> int:
    """Write the submissions into the catalogue; return the changelog position for the index."""
    batch = _begin_stage(message, "persist")
    position = persist_current(batch, worker_resources().index, worker_resources().databases)
    worker_resources().metrics.imported_submissions(len(batch.submissions))
    set_stage(worker_resources().redis, batch.task_ids, "index")
    _count_duration_mismatches(batch)
    return position


def _count_duration_mismatches(batch: SubmissionBatch) -> None:
    ids = [submission.id for submission in batch.submissions]
    found = duration_mismatches(ids, worker_resources().databases)
    worker_resources().metrics.duration_mismatches(len(found))


def _begin_stage(message: Message, stage: str) -> SubmissionBatch:
    batch = from_message(SubmissionBatch, message)
    set_stage(worker_resources().redis, batch.task_ids, stage)
    return batch


def _next_stage(task: SubmissionTask, batch: SubmissionBatch) -> Message:
    """Return the message for the next stage. If the batch is empty, end the chain."""
    if not batch.submissions and task.request.chain:
        task.request.chain.clear()
    return to_message(batch)


def _submission_ids(args: Sequence[Any]) -> list[int]:
    """Return the ids in a stage's arguments: a list of ids for `validate`, else a batch."""
    [argument] = args
    if isinstance(argument, list):
        return argument
    return [candidate.id for candidate in from_message(SubmissionBatch, argument).submissions]
