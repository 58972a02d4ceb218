"""The outbox: final states of submissions that are to be announced.

A row is written in the transaction that sets the final state, and deleted after NATS has stored its
announcement. The ids of the rows are in the order of the commits. When a reader has read the row
with some id, no row with a lower id can appear later.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_outbox
from pipeline.catalog.bulk_statements import insert_rows, is_one_of
from pipeline.catalog.ingest.tables import nats_message, outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalState:
    """The final state of a submission.

    Attributes:
        submission_id: the id of the submission.
        task_id: the task id of its request.
        track_gid: the gid of the track that it was imported into; None unless it is imported.
        mbid: the MBID that was submitted.
        state: ``imported``, ``rejected`` or ``failed``.
        reason: why it was rejected or failed.
        message_id: the publisher's id of the message from NATS that contained the submission.
        message_sequence: the sequence number of that message in its stream.
    """

    submission_id: int
    task_id: UUID
    track_gid: UUID | None = None
    mbid: UUID | None = None
    state: str
    reason: str | None = None
    message_id: str | None = None
    message_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A final state that is not announced yet, and the id of its row."""

    id: int
    final: FinalState


@dataclass(frozen=True, slots=True)
class OutboxBacklog:
    """The rows of the outbox.

    Attributes:
        rows: their number; at most the limit of the count.
        oldest_seconds: the age of the oldest row; None without rows.
    """

    rows: int
    oldest_seconds: float | None


COUNTED: Final = 100_000
"""The number of rows above which `measure` stops to count, which bounds its time."""

_NAMES: Final = tuple(each.name for each in fields(FinalState))


def write(connection: sa.Connection, finals: Sequence[FinalState]) -> None:
    """Add rows, in order. Other transactions that add rows wait for the end of this one.

    Args:
        connection: a connection to the ingest database; the caller commits at once.
        finals: the final states that this transaction has set. Their messages are found by the task
            id.
    """
    if not finals:
        return
    messages = _messages(connection, {final.task_id for final in finals})
    rows = [
        {name: getattr(final, name) for name in _NAMES}
        | messages.get(final.task_id, {"message_id": None, "message_sequence": None})
        for final in finals
    ]
    lock_outbox(connection)
    connection.execute(insert_rows(outbox, rows))


def read(connection: sa.Connection, after: int, limit: int) -> list[OutboxRow]:
    """Return the first rows with an id above `after`, in the order of the commits."""
    statement = (
        sa.select(outbox.c.id, *(outbox.c[name] for name in _NAMES))
        .where(outbox.c.id > after)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    rows: Iterable[Any] = connection.execute(statement)
    return [
        OutboxRow(number, FinalState(**dict(zip(_NAMES, values, strict=True))))
        for number, *values in rows
    ]


def delete(connection: sa.Connection, ids: Collection[int]) -> None:
    """Delete rows that are announced. The caller commits.

    The commit does not wait for the disk. If PostgreSQL crashes, rows may be announced again.
    """
    if not ids:
        return
    connection.execute(sa.text("SET LOCAL synchronous_commit = off"))
    connection.execute(sa.delete(outbox).where(is_one_of(outbox.c.id, ids)))


def delete_older(connection: sa.Connection, age: timedelta, limit: int) -> int:
    """Delete rows that nothing announces, oldest first; return their number.

    Args:
        connection: a connection to the ingest database; the caller commits.
        age: minimum age of the rows.
        limit: maximum number of rows.
    """
    old = (
        sa.select(outbox.c.id)
        .where(outbox.c.created < sa.func.now() - age)
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return connection.execute(sa.delete(outbox).where(outbox.c.id.in_(old))).rowcount


def measure(connection: sa.Connection, limit: int = COUNTED) -> OutboxBacklog:
    """Return the number of rows, at most `limit`, and the age of the oldest one."""
    counted = sa.select(outbox.c.id).limit(limit).subquery()
    rows = sa.select(sa.func.count()).select_from(counted).scalar_subquery()
    created = sa.select(outbox.c.created).order_by(outbox.c.id).limit(1).scalar_subquery()
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - created)
    count, seconds = connection.execute(sa.select(rows, age)).one()
    return OutboxBacklog(count, None if seconds is None else round(max(0.0, float(seconds)), 1))


def _messages(
    connection: sa.Connection, task_ids: Collection[UUID]
) -> dict[UUID, dict[str, str | int | None]]:
    """Return the ids of the messages from NATS that contained the submissions of tasks."""
    columns = (nats_message.c.task_id, nats_message.c.message_id, nats_message.c.sequence)
    statement = sa.select(*columns).where(is_one_of(nats_message.c.task_id, task_ids))
    return {
        task_id: {"message_id": message_id, "message_sequence": sequence}
        for task_id, message_id, sequence in connection.execute(statement)
    }
