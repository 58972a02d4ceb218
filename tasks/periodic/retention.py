"""The periodic tasks that delete old data, as the section ``[retention]`` says.

A task works in batches, each a short transaction, and starts no batch after its time limit. The
next run continues. Several workers may run a task at once: each takes other rows.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

import structlog

from pipeline.catalog.app import retention
from pipeline.catalog.app.keys.key_administration import prune_rotated_keys
from pipeline.catalog.ingest import finished_receipts, outbox
from pipeline.runtime.databases import Databases
from tasks.celery import app
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

TIME_LIMIT: Final = 3.0
"""Seconds after which a run starts no further batch; the same worker updates the index."""

RECEIPTS_PER_BATCH: Final = 500
"""Number of receipts for one transaction, which also deletes the others of their requests."""

ROWS_PER_BATCH: Final = 2_000
"""Maximum number of rows of a table that one transaction of the other tasks changes."""

UNANNOUNCED_AGE: Final = timedelta(days=7)
"""Age at which rows of the outbox are deleted that wait since announcements were turned off."""

logger = structlog.get_logger("acoustid.tasks.periodic.retention")


@app.task(name="maintenance.prune_receipts", base=StageTask)
def prune_receipts() -> int:
    """Delete old receipts of submissions with a final state; return their number."""
    days = worker_resources().settings.retention.receipts_days
    if not days:
        return 0
    return _finish("receipts", delete_receipts(worker_resources().databases, timedelta(days)))


@app.task(name="maintenance.prune_statistics", base=StageTask)
def prune_statistics() -> int:
    """Delete old lookup statistics; return the number of rows."""
    days = worker_resources().settings.retention.lookup_statistics_days
    if not days:
        return 0
    databases = worker_resources().databases
    return _finish("statistics", delete_statistics(databases, _first_day(days)))


@app.task(name="maintenance.erase_client_addresses", base=StageTask)
def erase_client_addresses() -> int:
    """Remove old client addresses; return the number of rows that had one."""
    days = worker_resources().settings.retention.client_addresses_days
    if not days:
        return 0
    databases = worker_resources().databases
    return _finish("addresses", erase_addresses(databases, timedelta(days), _first_day(days)))


@app.task(name="maintenance.prune_rotated_keys", base=StageTask)
def delete_rotated_keys() -> int:
    """Delete rotated keys that have expired; return their number."""
    with worker_resources().databases.engine("app").begin() as connection:
        return _finish("keys", prune_rotated_keys(connection))


@app.task(name="maintenance.prune_outbox", base=StageTask)
def prune_outbox() -> int:
    """Delete old rows of the outbox, if announcements are off; return their number."""
    databases = worker_resources().databases
    if databases.announces:
        return 0
    return _finish("announcements", delete_announcements(databases, UNANNOUNCED_AGE))


def delete_receipts(databases: Databases, age: timedelta, *, time_limit: float = TIME_LIMIT) -> int:
    """Delete receipts whose requests ended `age` ago or earlier; return their number."""

    def batch() -> int:
        with databases.engine("ingest").begin() as connection:
            found = finished_receipts.prune_receipts(connection, age, RECEIPTS_PER_BATCH)
        return found.total()

    return in_batches(batch, time_limit)


def delete_announcements(
    databases: Databases, age: timedelta, *, time_limit: float = TIME_LIMIT
) -> int:
    """Delete rows of the outbox that are at least `age` old; return their number."""

    def batch() -> int:
        with databases.engine("ingest").begin() as connection:
            return outbox.delete_older(connection, age, ROWS_PER_BATCH)

    return in_batches(batch, time_limit)


def delete_statistics(databases: Databases, first: date, *, time_limit: float = TIME_LIMIT) -> int:
    """Delete the statistics of the days before `first`; return the number of rows."""

    def batch() -> int:
        with databases.engine("app").begin() as connection:
            return retention.prune_statistics(connection, first, ROWS_PER_BATCH)

    return in_batches(batch, time_limit)


def erase_addresses(
    databases: Databases, age: timedelta, first: date, *, time_limit: float = TIME_LIMIT
) -> int:
    """Remove addresses; return the number of rows that had one.

    Args:
        databases: the databases.
        age: minimum age of the accounts.
        first: the first day (UTC) of the statistics whose addresses stay.
        time_limit: seconds after which no further batch is started.
    """

    def batch() -> int:
        with databases.engine("app").begin() as connection:
            of_accounts = retention.erase_addresses_of_accounts(connection, age, ROWS_PER_BATCH)
        with databases.engine("app").begin() as connection:
            return of_accounts + retention.erase_addresses_of_visitors(
                connection, first, ROWS_PER_BATCH
            )

    return in_batches(batch, time_limit)


def in_batches(batch: Callable[[], int], time_limit: float) -> int:
    """Call a function until it returns 0 or the time is over; return the sum."""
    deadline = time.monotonic() + time_limit
    total = 0
    while count := batch():
        total += count
        if time.monotonic() > deadline:
            break
    return total


def _first_day(days: float) -> date:
    """Return the first day (UTC) that ended less than `days` days ago."""
    return (datetime.now(UTC) - timedelta(days)).date()


def _finish(kind: str, count: int) -> int:
    if count:
        worker_resources().metrics.pruned(kind, count)
        logger.info("old data deleted", kind=kind, rows=count)
    return count
