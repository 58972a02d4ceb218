"""Divides rows of the outbox into windows, and makes the message of a row.

The messages of a window are published together, so a window has no two rows whose order matters:
those of one track, and those of one submission.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

from nats_bridge.headers import MESSAGE_ID
from pipeline.catalog.ingest.outbox import OutboxRow

LARGEST: Final = 500
"""Maximum number of rows in a window."""

Key = UUID | int


def keys(row: OutboxRow) -> set[Key]:
    """Return the track and the submission of a row; rows that share one keep their order."""
    final = row.final
    return (
        {final.submission_id} if final.track_gid is None else {final.submission_id, final.track_gid}
    )


def windows(rows: Iterable[OutboxRow], held: set[Key]) -> Iterator[list[OutboxRow]]:
    """Divide rows into windows, in order.

    Args:
        rows: rows in the order of their ids.
        held: tracks and submissions whose rows are left out. The caller may add some between two
            windows; this adds the others of a row that is left out.
    """
    window: list[OutboxRow] = []
    used: set[Key] = set()
    for row in rows:
        if window and (len(window) == LARGEST or not used.isdisjoint(keys(row))):
            yield window
            window, used = [], set()
        if keys(row).isdisjoint(held):
            window.append(row)
            used |= keys(row)
        else:
            held |= keys(row)
    if window:
        yield window


def body(row: OutboxRow) -> bytes:
    """Return the JSON object that announces a final state."""
    final = row.final
    announcement = {
        "number": row.id,
        "submission_id": final.submission_id,
        "task_id": str(final.task_id),
        "track_id": _text(final.track_gid),
        "mbid": _text(final.mbid),
        "state": final.state,
        "reason": final.reason,
        "message_id": final.message_id,
        "message_sequence": final.message_sequence,
    }
    return json.dumps(announcement, separators=(",", ":")).encode()


def headers(row: OutboxRow) -> dict[str, str]:
    """Return the headers of the message.

    The id has the task id too, since numbers begin at 1 in each new database.
    """
    return {MESSAGE_ID: f"{row.final.task_id}:{row.id}"}


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
