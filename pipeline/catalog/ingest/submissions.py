"""Submissions in the ingest database: writing receipts, changing states, finding overdue ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.bulk_statements import insert_numbered
from pipeline.catalog.ingest.tables import submission
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.submission_fields import Receipt

FIRST_RETRY: Final = timedelta(seconds=30)
"""The age at which a pending receipt is dispatched again. A running chain takes much less time."""

MAX_DOUBLINGS: Final = 7
"""The pause between two retries doubles at most this many times, up to about an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSubmission(Receipt):
    """A submission as the stages read it.

    Attributes:
        task_id: the task id of its request.
        gid: identity of the words.
    """

    id: int
    task_id: UUID
    created: datetime
    state: str
    gid: UUID


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A receipt that is overdue.

    Attributes:
        attempts: number of times it was dispatched again.
    """

    id: int
    attempts: int


_RECEIPT_NAMES: Final = tuple(each.name for each in fields(Receipt))
_STORED_NAMES: Final = tuple(each.name for each in fields(StoredSubmission))
_STORED_COLUMNS: Final = tuple(submission.c[name] for name in _STORED_NAMES)


def insert_receipts(
    connection: sa.Connection, receipts: Sequence[Receipt], task_id: UUID
) -> list[int]:
    """Write the receipts of one request and return their ids, in order.

    Args:
        connection: a connection to the ingest database; the caller commits.
        receipts: the receipts of the request.
        task_id: the task id of the request.
    """
    [ids] = insert_requests(connection, [(task_id, receipts)])
    return ids


def insert_requests(
    connection: sa.Connection, requests: Sequence[tuple[UUID, Sequence[Receipt]]]
) -> list[list[int]]:
    """Write the receipts of several requests and return the ids of each, in order.

    Args:
        connection: a connection to the ingest database; the caller commits.
        requests: the task id and the receipts of each.
    """
    rows = [
        _receipt_row(receipt, task_id) for task_id, receipts in requests for receipt in receipts
    ]
    ids = iter(insert_numbered(connection, submission, rows, retry_at=sa.func.now() + FIRST_RETRY))
    return [list(islice(ids, len(receipts))) for _, receipts in requests]


def load(connection: sa.Connection, ids: Iterable[int]) -> list[StoredSubmission]:
    """Return the submissions with these ids, ordered by id; unknown ids are left out."""
    statement = sa.select(*_STORED_COLUMNS).where(_one_of(ids)).order_by(submission.c.id)
    return [_stored(row) for row in connection.execute(statement)]


def gids(connection: sa.Connection, ids: Iterable[int]) -> dict[int, UUID]:
    """Return the gid of each submission's fingerprint by the submission's id."""
    statement = sa.select(submission.c.id, submission.c.gid).where(_one_of(ids))
    return dict(connection.execute(statement).all())


def finish(connection: sa.Connection, ids: Sequence[int], state: str, reason: str | None) -> int:
    """Set the final state of pending submissions; return their number.

    Args:
        connection: a connection to the ingest database; the caller commits.
        ids: the ids of submissions; those with a final state keep it.
        state: ``imported``, ``rejected`` or ``failed``.
        reason: shown to the submitter; None when imported.
    """
    statement = (
        sa.update(submission)
        .where(_one_of(ids), submission.c.state == "pending")
        .values(state=state, reason=reason, handled_at=sa.func.now())
    )
    return connection.execute(statement).rowcount


def failed(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """Return the newest failed submissions: id, task id, times, attempts and the reason."""
    names = ("id", "task_id", "created", "handled_at", "attempts", "reason")
    statement = (
        sa.select(*(submission.c[name] for name in names))
        .where(submission.c.state == "failed")
        .order_by(submission.c.id.desc())
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(statement).mappings()]


def states(connection: sa.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the state of each submission by its id, and lock the rows until the commit."""
    statement = sa.select(submission.c.id, submission.c.state).where(_one_of(ids))
    return dict(connection.execute(statement.with_for_update()).all())


def requeue(connection: sa.Connection, ids: Iterable[int] | None) -> int:
    """Make failed submissions pending and due immediately; return their number.

    Args:
        connection: a connection to the ingest database; the caller commits.
        ids: the ids of submissions; None for all.
    """
    statement = (
        sa.update(submission)
        .where(submission.c.state == "failed", sa.true() if ids is None else _one_of(ids))
        .values(state="pending", reason=None, handled_at=None, attempts=0, retry_at=sa.func.now())
    )
    return connection.execute(statement).rowcount


def claim_unfinished(connection: sa.Connection, limit: int) -> list[Unfinished]:
    """Claim overdue receipts, oldest first, each for twice as long as before.

    Concurrent calls claim different rows.

    Args:
        connection: a connection to the ingest database. The caller commits, then dispatches the
            receipts.
        limit: maximum number of receipts.
    """
    due = (
        sa.select(submission.c.id)
        .where(submission.c.state == "pending", submission.c.retry_at <= sa.func.now())
        .order_by(submission.c.retry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    doublings = sa.func.least(submission.c.attempts + 1, MAX_DOUBLINGS)
    seconds = FIRST_RETRY.total_seconds() * sa.func.power(2, doublings)
    pause = sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    statement = (
        sa.update(submission)
        .where(submission.c.id.in_(due))
        .values(attempts=submission.c.attempts + 1, retry_at=sa.func.now() + pause)
        .returning(submission.c.id, submission.c.attempts)
    )
    return [Unfinished(*row) for row in connection.execute(statement)]


def _one_of(ids: Iterable[int]) -> sa.ColumnElement[bool]:
    return submission.c.id == sa.any_(sa.cast(list(ids), sa.ARRAY(sa.Integer)))


def _receipt_row(receipt: Receipt, task_id: UUID) -> dict[str, Any]:
    row = {name: getattr(receipt, name) for name in _RECEIPT_NAMES}
    row["words"] = receipt.words.astype("<u4", copy=False).tobytes()
    row["gid"] = fingerprint_gid(1, receipt.words)
    row["task_id"] = task_id
    return row


def _stored(row: sa.Row[Any]) -> StoredSubmission:
    values = dict(zip(_STORED_NAMES, row, strict=True))
    values["words"] = np.frombuffer(values["words"], dtype="<u4")
    return StoredSubmission(**values)
