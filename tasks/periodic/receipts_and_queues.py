"""Periodic tasks: send the submissions that wait, measure the queues."""

from typing import Final

from pipeline.catalog.ingest import leases
from pipeline.runtime.links.deadline import ends_within
from tasks import queues
from tasks.celery import app
from tasks.imports.waiting_submissions import end_leases_of_lost_queue, renew_waiting, send_due
from tasks.redis_state import import_backlog
from tasks.redis_state.queue_lengths import backlog
from tasks.stage_task import StageTask
from tasks.worker_resources import WorkerResources, worker_resources

COUNT_LIMIT: Final = 8.0
"""Maximum seconds to count pending submissions. The worker of the index waits for it."""

_MOST_COUNTED: Final = 1_000_000  # pending submissions; counting more would take seconds


@app.task(name="maintenance.sweep_receipts", base=StageTask)
def sweep_receipts() -> int:
    """Send submissions that are due; return their number.

    They are due if the queue was full, if their chain was lost, or if Redis has lost the queue.
    """
    return sweep(worker_resources())


def sweep(resources: WorkerResources) -> int:
    """Do the work of `sweep_receipts`, with the resources of a worker."""
    end_leases_of_lost_queue(resources)
    renew_waiting(resources)
    return send_due(resources)


@app.task(name="maintenance.measure_queues", base=StageTask)
def measure_queues() -> dict[str, int]:
    """Measure each queue: the number of messages and the age of the oldest one.

    Front ends refuse submissions by the number of pending ones, which is stored in Redis.
    """
    resources = worker_resources()
    names = queues.names_of(resources.settings.celery)
    found = {queue: backlog(resources.redis, queue) for queue in names}
    for queue, each in found.items():
        resources.metrics.queue_depth(queue, each.messages)
        resources.metrics.queue_age(queue, each.age)
    with ends_within(COUNT_LIMIT), resources.databases.engine("ingest").connect() as connection:
        pending = leases.count_pending(connection, _MOST_COUNTED)
    import_backlog.store_pending(resources.redis, pending)
    resources.metrics.pending_submissions(pending)
    return {queue: each.messages for queue, each in found.items()}
