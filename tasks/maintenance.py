"""The beats' tasks: overdue receipts, queue lengths."""

from collections.abc import Sequence
from typing import Final

import structlog

from pipeline.catalog.ingest import submissions
from tasks import submission
from tasks.celery import app
from tasks.redis_state import queue_lengths
from tasks.worker import services

logger = structlog.get_logger("acoustid.tasks.maintenance")

_SWEEP: Final = 1_000  # receipts a sweep starts again at most
_BATCH: Final = 200  # receipts that are started again together
_BUSY: Final = 200  # messages; receipts behind a longer queue are waiting, not lost
_ALONE_AFTER: Final = 2  # attempts, after which a receipt no longer travels with others
_GIVE_UP_AFTER: Final = 12  # attempts, about eight hours


@app.task(name="maintenance.sweep_receipts")
def sweep_receipts() -> int:
    """Start the chains of receipts anew that have had no final state for too long.

    Returns how many receipts were started.
    """
    if queue_lengths.waiting(services().redis, queue_lengths.SUBMISSION) > _BUSY:
        return 0
    with services().databases.engine("ingest").begin() as connection:
        overdue = submissions.claim_unfinished(connection, _SWEEP)
        hopeless = [each.id for each in overdue if each.attempts > _GIVE_UP_AFTER]
        reason = f"gave up after {_GIVE_UP_AFTER} attempts"
        failed = submissions.finish(connection, hopeless, "failed", reason)
    services().metrics.submissions_ended("failed", failed)
    lively = [each for each in overdue if each.attempts <= _GIVE_UP_AFTER]
    for ids in _groups(lively):
        submission.send(ids)
    if overdue:
        logger.warning("overdue receipts", started=len(lively), given_up=failed)
    return len(lively)


def _groups(overdue: Sequence[submissions.Unfinished]) -> list[list[int]]:
    """Return the receipts in batches, those that were tried more than once each by itself."""
    alone = [[each.id] for each in overdue if each.attempts > _ALONE_AFTER]
    together = [each.id for each in overdue if each.attempts <= _ALONE_AFTER]
    starts = range(0, len(together), _BATCH)
    return alone + [together[start : start + _BATCH] for start in starts]


@app.task(name="maintenance.measure_queues")
def measure_queues() -> dict[str, int]:
    """Measure how many messages wait in each queue, and for how long."""
    found = {queue: queue_lengths.backlog(services().redis, queue) for queue in queue_lengths.NAMES}
    for queue, each in found.items():
        services().metrics.queue_depth(queue, each.messages)
        services().metrics.queue_age(queue, each.age)
    return {queue: each.messages for queue, each in found.items()}
