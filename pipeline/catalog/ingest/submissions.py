"""Submissions in the ingest database: the receipt, its way through the states, what to sweep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.catalog.bulk_statements import insert_numbered
from pipeline.catalog.ingest.tables import submission
from pipeline.fingerprint.identity import fingerprint_gid

# A chain that is alive is through long before; a receipt older than this has lost its chain.
FIRST_RETRY: Final = timedelta(seconds=30)
MOST_DOUBLINGS: Final = 7  # of the pause between two retries, which ends at about an hour


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission as it was received, parsed and checked."""

    account_id: int
    application_id: int
    application_version: str | None
    words: NDArray[np.uint32]  # shape (n,)
    length: int  # seconds of audio, 1…32767
    bitrate: int | None = None  # kbit/s
    format: str | None = None
    meta: dict[str, Any] | None = None
    mbid: UUID | None = None
    puid: UUID | None = None
    foreignid: str | None = None


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission as the stages read it."""

    id: int
    task_id: UUID  # of the request that it came with
    created: datetime
    state: str
    account_id: int
    application_id: int
    application_version: str | None
    words: NDArray[np.uint32]
    gid: UUID
    length: int
    bitrate: int | None
    format: str | None
    meta: dict[str, Any] | None
    mbid: UUID | None
    puid: UUID | None
    foreignid: str | None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A receipt whose chain is overdue."""

    id: int
    attempts: int  # how often it was dispatched anew


_STORED: Final = tuple(submission.c[name] for name in StoredSubmission.__slots__)


def insert_receipts(
    connection: sa.Connection, receipts: Sequence[Receipt], task_id: UUID
) -> list[int]:
    """Write the receipts of one request and return their ids, in order.

    The caller commits; from then on nothing of them may be lost.
    """
    [ids] = insert_requests(connection, [(task_id, receipts)])
    return ids


def insert_requests(
    connection: sa.Connection, requests: Sequence[tuple[UUID, Sequence[Receipt]]]
) -> list[list[int]]:
    """Write the receipts of several requests and return the ids of each, in order.

    Args:
        connection: on the ingest database; the caller commits.
        requests: the task id and the receipts of each.
    """
    rows = [
        _receipt_row(receipt, task_id) for task_id, receipts in requests for receipt in receipts
    ]
    ids = iter(insert_numbered(connection, submission, rows, retry_at=sa.func.now() + FIRST_RETRY))
    return [list(islice(ids, len(receipts))) for _, receipts in requests]


def load(connection: sa.Connection, ids: Iterable[int]) -> list[StoredSubmission]:
    """Return the submissions with these ids that exist, by id."""
    statement = sa.select(*_STORED).where(_one_of(ids)).order_by(submission.c.id)
    return [_stored(row) for row in connection.execute(statement)]


def gids(connection: sa.Connection, ids: Iterable[int]) -> dict[int, UUID]:
    """Return the identity of each submission's words by its id."""
    statement = sa.select(submission.c.id, submission.c.gid).where(_one_of(ids))
    return dict(connection.execute(statement).all())


def finish(connection: sa.Connection, ids: Sequence[int], state: str, reason: str | None) -> int:
    """Give pending submissions their final state; return how many had none before.

    Args:
        connection: on the ingest database; the caller commits.
        ids: the submissions; those with a final state keep it.
        state: ``imported``, ``rejected`` or ``failed``.
        reason: why, for people to read; None when imported.
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


def requeue(connection: sa.Connection, ids: Iterable[int] | None) -> int:
    """Make failed submissions pending again, due at once; return how many there were.

    Args:
        connection: on the ingest database; the caller commits.
        ids: which ones; None for all.
    """
    statement = (
        sa.update(submission)
        .where(submission.c.state == "failed", sa.true() if ids is None else _one_of(ids))
        .values(state="pending", reason=None, handled_at=None, attempts=0, retry_at=sa.func.now())
    )
    return connection.execute(statement).rowcount


def claim_unfinished(connection: sa.Connection, limit: int) -> list[Unfinished]:
    """Claim overdue receipts, oldest first, each for twice as long as the last time.

    Two sweepers at once claim different rows. The caller commits and then dispatches them.
    """
    due = (
        sa.select(submission.c.id)
        .where(submission.c.state == "pending", submission.c.retry_at <= sa.func.now())
        .order_by(submission.c.retry_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    doublings = sa.func.least(submission.c.attempts + 1, MOST_DOUBLINGS)
    seconds = FIRST_RETRY.total_seconds() * sa.func.power(2, doublings)
    pause = sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
    statement = (
        sa.update(submission)
        .where(submission.c.id.in_(due))
        .values(attempts=submission.c.attempts + 1, retry_at=sa.func.now() + pause)
        .returning(submission.c.id, submission.c.attempts)
    )
    return [Unfinished(*row) for row in connection.execute(statement)]


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    """Return how many submissions are in each state that any has."""
    statement = sa.select(submission.c.state, sa.func.count()).group_by(submission.c.state)
    return dict(connection.execute(statement).all())


def _one_of(ids: Iterable[int]) -> sa.ColumnElement[bool]:
    return submission.c.id == sa.any_(sa.cast(list(ids), sa.ARRAY(sa.Integer)))


def _receipt_row(receipt: Receipt, task_id: UUID) -> dict[str, Any]:
    row = {name: getattr(receipt, name) for name in Receipt.__slots__}
    row["words"] = receipt.words.astype("<u4", copy=False).tobytes()
    row["gid"] = fingerprint_gid(1, receipt.words)
    row["task_id"] = task_id
    return row


def _stored(row: sa.Row[Any]) -> StoredSubmission:
    fields = dict(zip(StoredSubmission.__slots__, row, strict=True))
    fields["words"] = np.frombuffer(fields["words"], dtype="<u4")
    return StoredSubmission(**fields)
