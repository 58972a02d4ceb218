"""Finds links to MBIDs that periodic tasks disabled, for an operator to check."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.fingerprint.tables import track, track_mbid
from pipeline.catalog.fingerprint.unlinked_mbids import unlinked_by_edits
from pipeline.catalog.ingest.tables import track_mbid_change
from pipeline.runtime.databases import Databases

_CHUNK: Final = 1000  # changes that are read at once


@dataclass(frozen=True, slots=True)
class DisabledLink:
    """A disabled link, and why it was disabled.

    Attributes:
        track: public id of the track.
        sources: number of submissions that confirmed the link.
        time: when the link was disabled.
        note: the reason.
    """

    track: UUID
    mbid: UUID
    sources: int
    time: datetime
    note: str


def find_disabled_links(databases: Databases, limit: int) -> list[DisabledLink]:
    """Return the links that are disabled and not merged, at most `limit`.

    The one that was disabled last is first. A link that an edit disabled is left out.

    Args:
        databases: the changes are in ``ingest``, the links in ``fingerprint``.
        limit: maximum number of links.
    """
    found: list[DisabledLink] = []
    seen: set[int] = set()
    before: int | None = None
    while len(found) < limit:
        changes = _changes(databases, before)
        if not changes:
            break
        before = changes[-1].id
        newest = {row.track_mbid_id: row for row in reversed(changes)}
        new = {key: row for key, row in newest.items() if key not in seen and row.disabled}
        seen.update(newest)
        links = _disabled(databases, new)
        found += [
            DisabledLink(*links[row.track_mbid_id], row.created, row.note or "")
            for row in changes
            if new.get(row.track_mbid_id) is row and row.track_mbid_id in links
        ]
    return found[:limit]


def _changes(databases: Databases, before: int | None) -> list[sa.Row[Any]]:
    change = track_mbid_change
    statement = sa.select(change).order_by(change.c.id.desc()).limit(_CHUNK)
    if before is not None:
        statement = statement.where(change.c.id < before)
    with databases.engine("ingest", read_only=True).connect() as connection:
        return list(connection.execute(statement))


def _disabled(
    databases: Databases, link_ids: dict[int, sa.Row[Any]]
) -> dict[int, tuple[UUID, UUID, int]]:
    """Return track, MBID and sources of the links that are disabled and not merged, by id.

    Links that an edit disabled are left out.
    """
    statement = (
        sa.select(
            track_mbid.c.id,
            track.c.id.label("track_id"),
            track.c.gid,
            track_mbid.c.mbid,
            track_mbid.c.submission_count,
        )
        .join_from(track_mbid, track, track_mbid.c.track_id == track.c.id)
        .where(is_one_of(track_mbid.c.id, link_ids))
        .where(track_mbid.c.disabled, track_mbid.c.merged_into.is_(None))
    )
    with databases.engine("fingerprint", read_only=True).connect() as connection:
        rows = connection.execute(statement).all()
        unlinked = unlinked_by_edits(connection, {row.id: (row.track_id, row.mbid) for row in rows})
    return {
        row.id: (row.gid, row.mbid, row.submission_count) for row in rows if row.id not in unlinked
    }
