"""The task that makes failed submissions pending again, as `acoustid submissions requeue` does."""

from uuid import UUID

import structlog

from pipeline.catalog.ingest import submissions
from tasks.celery import app
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.outcomes.requeue")


@app.task(name="maintenance.requeue_submissions", base=StageTask)
def requeue_submissions(submission_ids: list[int] | None = None, task_id: str | None = None) -> int:
    """Make failed submissions pending, due immediately and without counted crashes.

    Args:
        submission_ids: the ids of submissions.
        task_id: the task id of a request, for all its submissions. With neither of the two, all
            failed submissions are meant.

    Returns:
        The number of submissions that are pending again; 0 for arguments that are refused, which
        the log names.
    """
    try:
        request = _checked(submission_ids, task_id)
    except ValueError as error:
        logger.error("no submission is retried", reason=str(error))  # noqa: TRY400 - one line
        return 0
    with worker_resources().databases.engine("ingest").begin() as connection:
        ids = submission_ids
        if request is not None:
            ids = submissions.of_task(connection, request) + (submission_ids or [])
        return submissions.requeue(connection, ids)


def _checked(submission_ids: object, task_id: object) -> UUID | None:
    """Check the arguments, which an operator writes; return the task id.

    Raises:
        ValueError: they have another type or form; the message says what to change.
    """
    if submission_ids is not None and not (
        isinstance(submission_ids, list) and all(type(each) is int for each in submission_ids)
    ):
        raise ValueError("submission_ids must be a list of whole numbers")
    if task_id is None:
        return None
    try:
        return UUID(str(task_id))
    except ValueError:
        raise ValueError("task_id must be a UUID: that of a reply to a submission") from None
