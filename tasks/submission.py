"""The chain of a batch of submissions: validate → dedupe → score → persist → index update."""

from collections.abc import Sequence
from typing import Any, ClassVar

import structlog

from pipeline.catalog.ingest import submissions
from pipeline.imports.all_stages import persist_current
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.messages import Message, SubmissionBatch, from_message, to_message
from pipeline.runtime.trace import current_trace_id
from tasks.base import TRANSIENT, StageTask
from tasks.celery import app
from tasks.redis_state.task_progress import note_stage
from tasks.worker import services

logger = structlog.get_logger("acoustid.tasks.submission")


class SubmissionTask(StageTask):
    """A stage of submissions: one that can't be imported never holds back the others.

    When a batch fails for a reason that doesn't pass, its halves go on apart, so that soon the one
    at fault is alone; it gets the final state `failed`. When the reason does pass but outlasted
    the retries, the receipts stay pending and the sweeper starts them again.
    """

    abstract = True
    stage: ClassVar[str] = ""

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Sequence[Any],
        kwargs: dict[str, Any],
        einfo: Any,  # noqa: ANN401 - Celery's signature
    ) -> None:
        """Part the good from the bad."""
        super().on_failure(exc, task_id, args, kwargs, einfo)
        if isinstance(exc, TRANSIENT):
            return
        ids = _subject(args)
        if len(ids) > 1:
            middle = len(ids) // 2
            send(ids[:middle])
            send(ids[middle:])
            return
        reason = f"internal error in {self.name} (trace {current_trace_id()})"
        with services().databases.engine("ingest").begin() as connection:
            failed = submissions.finish(connection, ids, "failed", reason)
        services().metrics.submissions_ended("failed", failed)


def send(submission_ids: Sequence[int]) -> None:
    """Publish one chain for submissions.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the sweeper will do it.
    """
    chain = (
        validate.s(list(submission_ids))
        | dedupe.s()
        | score.s()
        | persist.s()
        | app.signature("index.update")
    )
    chain.apply_async()


@app.task(name="submission.validate", base=SubmissionTask, bind=True)
def validate(self: SubmissionTask, submission_ids: list[int]) -> Message:
    """Reject what may not be imported."""
    services().metrics.batch_size("submission", len(submission_ids))
    batch = validate_submissions(submission_ids, services().databases)
    note_stage(services().redis, batch.task_ids, "validate")
    refused = len(submission_ids) - len(batch.submissions)
    services().metrics.submissions_ended("rejected", refused)
    logger.info("submission batch", submissions=len(submission_ids), refused=refused)
    return _go_on(self, batch)


@app.task(name="submission.dedupe", base=SubmissionTask, bind=True)
def dedupe(self: SubmissionTask, message: Message) -> Message:
    """Leave out what is imported already; find fingerprints with the same words."""
    batch = _enter(message, "dedupe")
    return _go_on(self, dedupe_submissions(batch, services().databases))


@app.task(name="submission.score", base=SubmissionTask, bind=True)
def score(self: SubmissionTask, message: Message) -> Message:
    """Compare with the stored fingerprints that the index and the changelog offer."""
    batch = _enter(message, "score")
    return _go_on(self, match_submissions(batch, services().index, services().databases))


@app.task(name="submission.persist", base=SubmissionTask)
def persist(message: Message) -> int:
    """Write the submissions into the catalogue; the index is then told how far that is."""
    batch = _enter(message, "persist")
    position = persist_current(batch, services().index, services().databases)
    services().metrics.imported_submissions(len(batch.submissions))
    note_stage(services().redis, batch.task_ids, "index")
    return position


def _enter(message: Message, stage: str) -> SubmissionBatch:
    batch = from_message(SubmissionBatch, message)
    note_stage(services().redis, batch.task_ids, stage)
    return batch


def _go_on(task: SubmissionTask, batch: SubmissionBatch) -> Message:
    """Return the batch for the next stage; with nothing left in it, the chain ends here."""
    if not batch.submissions and task.request.chain:
        task.request.chain.clear()
    return to_message(batch)


def _subject(args: Sequence[Any]) -> list[int]:
    """Return the ids of the submissions that a stage's arguments are about."""
    [subject] = args
    if isinstance(subject, list):
        return subject
    return [candidate.id for candidate in from_message(SubmissionBatch, subject).submissions]
