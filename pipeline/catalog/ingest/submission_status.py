"""The states of submissions, by submission id and by task id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.fingerprint.tables import fingerprint, track
from pipeline.catalog.ingest.tables import submission, submission_result
from pipeline.runtime.databases import Databases


@dataclass(frozen=True, slots=True)
class SubmissionStatus:
    """The state of one submission."""

    id: int
    state: str  # pending, imported, rejected, failed
    reason: str | None = None
    track_gid: UUID | None = None  # gid of the current track of its fingerprint


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The state of all submissions of one request."""

    created: datetime
    finished: datetime | None  # None while any is pending
    submissions: list[SubmissionStatus]


_RECEIVED: Final = sa.select(
    submission.c.id,
    submission.c.state,
    submission.c.reason,
    submission.c.created,
    submission.c.handled_at,
    submission_result.c.fingerprint_id,
).outerjoin_from(
    submission, submission_result, submission_result.c.submission_id == submission.c.id
)
"""The submissions that have a receipt."""

_PRUNED: Final = sa.select(
    submission_result.c.submission_id.label("id"),
    sa.literal("imported").label("state"),
    sa.null().cast(sa.Text).label("reason"),
    submission_result.c.created,
    submission_result.c.handled_at,
    submission_result.c.fingerprint_id,
).where(~sa.exists().where(submission.c.id == submission_result.c.submission_id))
"""The imported submissions whose receipts were deleted."""


def statuses(databases: Databases, ids: Sequence[int]) -> dict[int, SubmissionStatus]:
    """Return the status of submissions by id; unknown ids are left out.

    An imported submission is known without its receipt, too, by the result of its import.
    """
    received = _RECEIVED.where(is_one_of(submission.c.id, ids))
    pruned = _PRUNED.where(is_one_of(submission_result.c.submission_id, ids))
    rows = _read(databases, sa.union_all(received, pruned))
    return {status.id: status for status in _with_tracks(databases, rows)}


def task_status(databases: Databases, task_id: UUID) -> TaskStatus | None:
    """Return the status of a request's submissions; None if no task has this id."""
    wanted = _RECEIVED.where(submission.c.task_id == task_id)
    rows = _read(databases, wanted.order_by(submission.c.id))
    if not rows:
        return None
    handled = [row.handled_at for row in rows]
    return TaskStatus(
        created=min(row.created for row in rows),
        finished=None if None in handled else max(handled),
        submissions=_with_tracks(databases, rows),
    )


def _read(databases: Databases, statement: sa.Executable) -> Sequence[Any]:
    with databases.engine("ingest").connect() as connection:
        return connection.execute(statement).all()


def _with_tracks(databases: Databases, rows: Sequence[Any]) -> list[SubmissionStatus]:
    gids = _current_tracks(databases, {row.fingerprint_id for row in rows} - {None})
    return [
        SubmissionStatus(row.id, row.state, row.reason, gids.get(row.fingerprint_id))
        for row in rows
    ]


def _current_tracks(databases: Databases, fingerprint_ids: Iterable[int]) -> dict[int, UUID]:
    """Return the gid of each fingerprint's present track, which changes when tracks are merged."""
    ids = list(fingerprint_ids)
    if not ids:
        return {}
    statement = (
        sa.select(fingerprint.c.id, track.c.gid)
        .join_from(fingerprint, track)
        .where(fingerprint.c.id == sa.any_(sa.cast(ids, sa.ARRAY(sa.Integer))))
    )
    with databases.engine("fingerprint").connect() as connection:
        return dict(connection.execute(statement).all())
