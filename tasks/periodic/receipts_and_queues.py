"""Periodic tasks: restart overdue submissions, measure the queues."""

from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from pipeline.catalog.ingest import submissions
from pipeline.lookups.condition import Condition
from tasks import queues
from tasks.celery import app
from tasks.dispatch import send_submissions
from tasks.redis_state import heartbeats
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.queue_lengths import backlog, waiting
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

logger = structlog.get_logger("acoustid.tasks.periodic.receipts_and_queues")

_MOST_RECEIPTS: Final = 1_000  # per run
_BATCH_SIZE: Final = 200  # receipts in one chain
_LONG_QUEUE: Final = 200  # messages; above this, receipts are late because the queue is long
_SHARED_ATTEMPTS: Final = 2  # after these attempts a receipt gets a separate chain
_MOST_ATTEMPTS: Final = 12  # they take about eight hours


@app.task(name="maintenance.sweep_receipts", base=StageTask)
def sweep_receipts() -> int:
    """Publish new chains for receipts that have had no final state for too long.

    Receipts with too many attempts get the final state `failed`. While the index is not usable, no
    attempt is made and none is counted. Returns the number of receipts that were started again.
    """
    return sweep(worker_resources())


def sweep(resources: WorkerResources) -> int:
    """Do the work of `sweep_receipts`, with the resources of a worker."""
    if waiting(resources.redis, queues.SUBMISSION) > _LONG_QUEUE:
        return 0
    if not imports_can_search(heartbeats.reports(resources.redis)):
        return 0
    with resources.databases.engine("ingest").begin() as connection:
        overdue = submissions.claim_unfinished(connection, _MOST_RECEIPTS)
        given_up = [each.id for each in overdue if each.attempts > _MOST_ATTEMPTS]
        reason = f"gave up after {_MOST_ATTEMPTS} attempts"
        failed = submissions.finish(connection, given_up, "failed", reason)
    resources.metrics.submissions_ended("failed", failed)
    restarted = [each for each in overdue if each.attempts <= _MOST_ATTEMPTS]
    for ids in batches_of_receipts(restarted):
        send_submissions(ids)
    if overdue:
        logger.warning("overdue receipts", started=len(restarted), given_up=failed)
    return len(restarted)


def imports_can_search(reports: Iterable[WorkerReport]) -> bool:
    """Return whether a worker of submissions can use its index, as far as the reports tell."""
    found = [report.index for report in reports if queues.SUBMISSION in report.queues]
    return not found or None in found or Condition.OK in found


def batches_of_receipts(overdue: Sequence[submissions.Unfinished]) -> list[list[int]]:
    """Return the ids of receipts in batches; a receipt that failed several times gets its own."""
    alone = [[each.id] for each in overdue if each.attempts > _SHARED_ATTEMPTS]
    together = [each.id for each in overdue if each.attempts <= _SHARED_ATTEMPTS]
    starts = range(0, len(together), _BATCH_SIZE)
    return alone + [together[start : start + _BATCH_SIZE] for start in starts]


@app.task(name="maintenance.measure_queues", base=StageTask)
def measure_queues() -> dict[str, int]:
    """Measure each queue: the number of messages and the age of the oldest one."""
    found = {queue: backlog(worker_resources().redis, queue) for queue in queues.NAMES}
    for queue, each in found.items():
        worker_resources().metrics.queue_depth(queue, each.messages)
        worker_resources().metrics.queue_age(queue, each.age)
    return {queue: each.messages for queue, each in found.items()}
