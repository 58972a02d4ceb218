"""Sends the submissions that wait in the ingest database, first come first served.

The queue of imports is short (`import_backlog.MAX_WAITING`). Other pending submissions wait in the
database. So a submission is in one chain at a time, the length of the queue is bounded, and a loss
of Redis loses no submission. The worker that ends a chain sends the next submissions. A
periodic task does the same, for submissions whose chain was lost.

A front end sends new submissions directly while none wait in the database; otherwise it leaves them
there (`api.submissions.publisher`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa
import structlog

from pipeline.catalog.ingest import leases
from pipeline.lookups.condition import Condition
from pipeline.runtime.links.deadline import ends_within
from tasks import queues
from tasks.dispatch import send_submissions
from tasks.redis_state import heartbeats, import_backlog
from tasks.redis_state.heartbeats import WorkerReport
from tasks.redis_state.import_backlog import MAX_BATCH
from tasks.worker_resources import WorkerResources

SHARED_ATTEMPTS: Final = 2
"""After these attempts a submission gets a separate chain, since it may be the cause of them."""

TRANSACTION_LIMIT: Final = 8.0
"""Maximum seconds of a transaction. The worker of the index waits for it, and must not lag."""

logger = structlog.get_logger("acoustid.tasks.imports.waiting_submissions")


def send_due(resources: WorkerResources) -> int:
    """Send due submissions until the queue is full; return their number.

    While no worker can search the index, nothing is sent. While no worker of submissions reports,
    at most one message waits.

    Raises:
        kombu.exceptions.OperationalError, redis.exceptions.RedisError: the broker is unreachable.
            The submissions are due again.
    """
    free = _free_places(resources)
    if not free:
        import_backlog.keep_backlog(resources.redis)
        return 0
    with _transaction(resources) as connection:
        due = leases.claim(connection, free * MAX_BATCH)
    batches = batches_of(due)
    import_backlog.set_backlog(
        resources.redis, exists=len(due) == free * MAX_BATCH or len(batches) > free
    )
    sent = 0
    try:
        for ids in batches[:free]:
            send_submissions(ids)
            sent += 1
    finally:
        if left := [each for ids in batches[sent:] for each in ids]:
            with _transaction(resources) as connection:
                leases.release(connection, left)
    return sum(map(len, batches[:sent]))


def renew_waiting(resources: WorkerResources) -> None:
    """Renew the leases of the submissions in the queue, so that they are not sent again."""
    ids = import_backlog.waiting_submissions(resources.redis)
    if ids:
        with _transaction(resources) as connection:
            leases.renew(connection, ids, below=leases.LEASE / 2)


@contextmanager
def _transaction(resources: WorkerResources) -> Iterator[sa.Connection]:
    with ends_within(TRANSACTION_LIMIT), resources.databases.engine("ingest").begin() as connection:
        yield connection


def _free_places(resources: WorkerResources) -> int:
    """Return the number of chains that may be sent."""
    state = import_backlog.queue_state(resources.redis)
    if not state.free:
        return 0
    reports = heartbeats.reports(resources.redis)
    if not imports_can_search(reports):
        return 0
    has_worker = any(queues.SUBMISSION in report.queues for report in reports)
    return state.free if has_worker else int(not state.waiting)


def send_next(resources: WorkerResources) -> None:
    """Send due submissions at the end of a chain, if submissions wait in the database."""
    if import_backlog.queue_state(resources.redis).has_backlog:
        send_due(resources)


def end_leases_of_lost_queue(resources: WorkerResources) -> None:
    """End all leases if Redis has lost the queue: no chain imports the submissions any more."""
    if not import_backlog.queue_was_lost(resources.redis):
        return
    with _transaction(resources) as connection:
        ended = leases.end_all(connection)
    import_backlog.mark_queue(resources.redis)
    if ended:
        logger.warning("Redis has lost the queue; submissions are sent again", submissions=ended)


def imports_can_search(reports: Iterable[WorkerReport]) -> bool:
    """Return whether a worker of submissions can use its index, or has not reported about it."""
    found = [report.index for report in reports if queues.SUBMISSION in report.queues]
    return not found or None in found or Condition.OK in found


def batches_of(due: Sequence[leases.Due]) -> list[list[int]]:
    """Return the ids in batches; one with several attempts or a crash gets its own."""
    alone = {each.id for each in due if each.attempts > SHARED_ATTEMPTS or each.crashes}
    together = [each.id for each in due if each.id not in alone]
    starts = range(0, len(together), MAX_BATCH)
    return [[each] for each in sorted(alone)] + [
        together[start : start + MAX_BATCH] for start in starts
    ]
