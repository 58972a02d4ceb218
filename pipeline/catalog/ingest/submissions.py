"""Submissions in the ingest database: writing receipts, reading them, changing their states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

import numpy as np
import sqlalchemy as sa

from pipeline.catalog.bulk_statements import insert_numbered
from pipeline.catalog.ingest import outbox
from pipeline.catalog.ingest.leases import LEASE
from pipeline.catalog.ingest.outbox import FinalState
from pipeline.catalog.ingest.tables import submission
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.submission_fields import Receipt


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
class Ending:
    """A final state of some submissions.

    Attributes:
        ids: the ids of submissions; those with a final state keep it.
        state: ``imported``, ``rejected`` or ``failed``.
        reason: shown to the submitter; None when imported.
        track_gids: the gid of the track that each was imported into, by the submission's id; only
            announcements contain it.
    """

    ids: Sequence[int]
    state: str
    reason: str | None = None
    track_gids: Mapping[int, UUID] = field(default_factory=dict)


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
    ids = iter(insert_numbered(connection, submission, rows, retry_at=sa.func.now() + LEASE))
    return [list(islice(ids, len(receipts))) for _, receipts in requests]


def load(connection: sa.Connection, ids: Iterable[int]) -> list[StoredSubmission]:
    """Return the submissions with these ids, ordered by id; unknown ids are left out."""
    statement = sa.select(*_STORED_COLUMNS).where(_one_of(ids)).order_by(submission.c.id)
    return [_stored(row) for row in connection.execute(statement)]


def pending_gids(connection: sa.Connection, ids: Iterable[int]) -> dict[int, UUID]:
    """Return the gid of each pending submission's fingerprint by the submission's id."""
    statement = sa.select(submission.c.id, submission.c.gid).where(
        _one_of(ids), submission.c.state == "pending"
    )
    return dict(connection.execute(statement).all())


def finish(connection: sa.Connection, endings: Iterable[Ending], *, announces: bool) -> int:
    """Set the final states of pending submissions; return their number.

    Args:
        connection: a connection to the ingest database. The caller commits at once, and calls this
            once in a transaction: see `pipeline.catalog.advisory_locks.lock_outbox`.
        endings: the final states.
        announces: write them to the outbox, too; see `Databases.announces`.
    """
    if not announces:
        return sum(connection.execute(_finished(ending)).rowcount for ending in endings)
    finals = [final for ending in endings for final in _finish_announced(connection, ending)]
    outbox.write(connection, finals)
    return len(finals)


def failed(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """Return the newest failed submissions: id, task id, times, attempts, crashes, the reason."""
    names = ("id", "task_id", "created", "handled_at", "attempts", "crashes", "reason")
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


def of_task(connection: sa.Connection, task_id: UUID) -> list[int]:
    """Return the ids of the submissions of a request, by its task id."""
    statement = sa.select(submission.c.id).where(submission.c.task_id == task_id)
    return list(connection.execute(statement.order_by(submission.c.id)).scalars())


def requeue(connection: sa.Connection, ids: Iterable[int] | None) -> int:
    """Make failed submissions pending and due immediately; return their number.

    Args:
        connection: a connection to the ingest database; the caller commits.
        ids: the ids of submissions; None for all.
    """
    statement = (
        sa.update(submission)
        .where(submission.c.state == "failed", sa.true() if ids is None else _one_of(ids))
        .values(
            state="pending",
            reason=None,
            handled_at=None,
            attempts=0,
            crashes=0,
            running=None,
            retry_at=sa.func.now(),
        )
    )
    return connection.execute(statement).rowcount


def _finished(ending: Ending) -> sa.Update:
    return (
        sa.update(submission)
        .where(_one_of(ending.ids), submission.c.state == "pending")
        .values(state=ending.state, reason=ending.reason, handled_at=sa.func.now())
    )


def _finish_announced(connection: sa.Connection, ending: Ending) -> list[FinalState]:
    """Set a final state; return those that were pending, ordered by id."""
    columns = (submission.c.id, submission.c.task_id, submission.c.mbid)
    rows = connection.execute(_finished(ending).returning(*columns))
    return [
        FinalState(
            submission_id=submission_id,
            task_id=task_id,
            track_gid=ending.track_gids.get(submission_id),
            mbid=mbid if mbid and mbid.int else None,  # a nil UUID names no recording
            state=ending.state,
            reason=ending.reason,
        )
        for submission_id, task_id, mbid in sorted(rows, key=lambda row: row.id)
    ]


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
