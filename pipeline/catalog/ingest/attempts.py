"""Attempts to import submissions that did not end, because their worker was killed.

After its worker was killed, a message is delivered again. Before a task works on a batch, it stores
its run in the receipt of the first submission: the id of the message, and the process. It deletes
the run when it ends. If the run is there already, an earlier delivery of the message has begun and
has not ended. The caller finds out from the process whether it was killed or still works. A message
that has only waited for too long leaves no run.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.ingest.tables import submission

MOST_CRASHES: Final = 3
"""A submission that has crashed so many workers, alone each time, ends failed."""

_SEPARATOR: Final = " "  # of a message and a process

_IS_PENDING: Final = submission.c.state == sa.literal_column("'pending'")  # as in the partial index


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a run finds when it begins.

    Attributes:
        is_pending: whether the submission is pending; False too if its receipt is pruned.
        earlier: the process in which the same message has begun and not ended; None if in none.
    """

    is_pending: bool
    earlier: str | None = None


def begin_run(
    connection: sa.Connection, submission_id: int, message: str, process: str
) -> Beginning:
    """Store that a run works on a batch, unless a run of the same message has not ended.

    Args:
        connection: a connection to the ingest database; the caller commits.
        submission_id: the id of the first submission of the batch.
        message: the id of the message, the same for each delivery and another one for each retry.
        process: the process that works on it.
    """
    _do_not_wait_for_the_disk(connection)
    row = submission.c.id == submission_id
    run = f"{message}{_SEPARATOR}"
    is_new = sa.or_(
        submission.c.running.is_(None), ~submission.c.running.startswith(run, autoescape=True)
    )
    stored = connection.execute(
        sa.update(submission)
        .where(row, is_new)
        .values(running=run + process)
        .returning(submission.c.state)
    ).first()
    if stored is not None:
        return Beginning(stored.state == "pending")
    found = connection.execute(sa.select(submission.c.state, submission.c.running).where(row))
    if (earlier := found.first()) is None:
        return Beginning(is_pending=False)
    return Beginning(earlier.state == "pending", earlier.running.removeprefix(run))


def end_cancelled(connection: sa.Connection, submission_id: int, task_id: str) -> None:
    """Delete what `begin_run` has stored for a task, whatever the number of its retries.

    Args:
        connection: a connection to the ingest database; the caller commits.
        submission_id: the id of the first submission of the batch.
        task_id: the id of the task, with which the ids of its messages begin.
    """
    connection.execute(
        sa.update(submission)
        .where(
            submission.c.id == submission_id,
            submission.c.running.startswith(f"{task_id}:", autoescape=True),
        )
        .values(running=None)
    )


def end_run(connection: sa.Connection, submission_id: int, message: str, process: str) -> None:
    """Delete what `begin_run` has stored, unless another run has begun since."""
    _do_not_wait_for_the_disk(connection)
    connection.execute(
        sa.update(submission)
        .where(
            submission.c.id == submission_id,
            submission.c.running == f"{message}{_SEPARATOR}{process}",
        )
        .values(running=None)
    )


def count_crash(connection: sa.Connection, submission_id: int) -> int:
    """Count one crash of the worker of a pending submission; return the number of its crashes.

    Args:
        connection: a connection to the ingest database; the caller commits.
        submission_id: the id of the submission; 0 crashes if it has a final state.
    """
    counted = (
        sa.update(submission)
        .where(submission.c.id == submission_id, _IS_PENDING)
        .values(crashes=submission.c.crashes + 1, running=None)
        .returning(submission.c.crashes)
    )
    return connection.execute(counted).scalar() or 0


def _do_not_wait_for_the_disk(connection: sa.Connection) -> None:
    """Make the commit faster; only a crash of PostgreSQL itself can lose it."""
    connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
