"""Reads, locks and changes the links of tracks to MBIDs, for merges and scans.

Lookups read links with `track_links`, imports write them with `submitted_links`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.bulk_statements import array_rows, is_one_of
from pipeline.catalog.fingerprint.tables import track, track_mbid

STATEMENT_LIMIT: Final = 5.0
"""Seconds that a statement may take, including waits for locks; a task has 20."""


@dataclass(slots=True)
class MbidLink:
    """A track's link to a recording."""

    id: int
    track_id: int
    mbid: UUID
    submission_count: int
    disabled: bool
    merged_into: int | None  # id of the link that replaces this one, of the same track


@dataclass(frozen=True, slots=True)
class ScannedLink:
    """A link as a scan reads it."""

    id: int
    mbid: UUID
    submission_count: int
    merged_into: int | None
    merged_mbid: UUID | None  # the MBID of the link that it was merged into


_COLUMNS: Final = tuple(track_mbid.c[field.name] for field in fields(MbidLink))


def lock_links(connection: sa.Connection, mbid: UUID) -> list[MbidLink]:
    """Return all MBID links of the tracks that are linked to an MBID, locked, by id.

    Locks are taken in the same order as in a merge of tracks, so that the two do not deadlock:
    first tracks, then links, both by id.
    """
    linked = sa.select(track_mbid.c.track_id).where(track_mbid.c.mbid == mbid)
    tracks = (
        sa.select(track.c.id)
        .where(track.c.id.in_(linked))
        .order_by(track.c.id)
        .with_for_update(read=True, key_share=True)
    )
    track_ids = list(connection.execute(tracks).scalars())
    links = (
        sa.select(*_COLUMNS)
        .where(is_one_of(track_mbid.c.track_id, track_ids))
        .order_by(track_mbid.c.id)
        .with_for_update()
    )
    return [MbidLink(*row) for row in connection.execute(links)]


def add_links(
    connection: sa.Connection, mbid: UUID, disabled: Mapping[int, bool]
) -> list[MbidLink]:
    """Insert links of tracks to an MBID that no submission confirms; return the links, locked.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        mbid: the MBID of the recording.
        disabled: track id to whether a new link is disabled. An existing link is returned
            unchanged.
    """
    if not disabled:
        return []
    added = insert(track_mbid)
    statement = added.on_conflict_do_update(
        index_elements=["track_id", "mbid"], set_={"mbid": added.excluded.mbid}
    ).returning(*_COLUMNS)
    rows = [
        {"track_id": track_id, "mbid": mbid, "submission_count": 0, "disabled": state}
        for track_id, state in sorted(disabled.items())
    ]
    return [MbidLink(*row) for row in connection.execute(statement, rows)]


def scan_links(connection: sa.Connection, after: int, limit: int) -> list[ScannedLink]:
    """Return the links after an id, by id, at most `limit`."""
    target = track_mbid.alias("target")
    statement = (
        sa.select(
            track_mbid.c.id,
            track_mbid.c.mbid,
            track_mbid.c.submission_count,
            track_mbid.c.merged_into,
            target.c.mbid,
        )
        .outerjoin_from(track_mbid, target, track_mbid.c.merged_into == target.c.id)
        .where(track_mbid.c.id > after)
        .order_by(track_mbid.c.id)
        .limit(limit)
    )
    return [ScannedLink(*row) for row in connection.execute(statement)]


def shared_mbids(
    connection: sa.Connection, after: UUID | None, limit: int
) -> dict[UUID, list[int]]:
    """Return MBIDs with the tracks that share each by enabled links, at most `limit` in order.

    Args:
        connection: a connection to the fingerprint database.
        after: the last MBID of the previous call; None to start.
        limit: maximum number of MBIDs.
    """
    tracks = sa.func.array_agg(track_mbid.c.track_id)
    statement = (
        sa.select(track_mbid.c.mbid, tracks)
        .where(track_mbid.c.disabled.is_(False))
        .group_by(track_mbid.c.mbid)
        .having(sa.func.count() > 1)
        .order_by(track_mbid.c.mbid)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(track_mbid.c.mbid > after)
    return dict(connection.execute(statement).all())


def store_links(connection: sa.Connection, links: Sequence[MbidLink]) -> None:
    """Update the rows of locked links."""
    if not links:
        return
    changed = array_rows(
        "changed",
        {
            name: (track_mbid.c[name].type, [getattr(link, name) for link in links])
            for name in ("id", "submission_count", "disabled", "merged_into")
        },
    )
    connection.execute(
        sa.update(track_mbid)
        .where(track_mbid.c.id == changed.c.id)
        .values(
            submission_count=changed.c.submission_count,
            disabled=changed.c.disabled,
            merged_into=changed.c.merged_into,
            updated=sa.func.now(),
        )
    )
