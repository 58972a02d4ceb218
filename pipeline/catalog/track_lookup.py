"""Tracks by the MusicBrainz recordings that they are linked to."""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.fingerprint_tables import track, track_mbid


class LinkedTrack(NamedTuple):
    """A track as a link of a recording names it."""

    gid: UUID
    disabled: bool  # of the link, not of the track


def tracks_by_mbids(
    connection: sa.Connection, mbids: Iterable[UUID], *, disabled: bool = False
) -> dict[UUID, list[LinkedTrack]]:
    """Return the tracks of recordings by MBID, oldest first, in one statement.

    A track that was merged into another is returned as itself.

    Args:
        connection: to the ``fingerprint`` database.
        mbids: the recordings; one without a track is not in the answer.
        disabled: whether disabled links count too.
    """
    statement = (
        sa.select(track_mbid.c.mbid, track.c.gid, track_mbid.c.disabled)
        .join_from(track_mbid, track, track_mbid.c.track_id == track.c.id)
        .where(track_mbid.c.mbid == sa.any_(sa.cast(list(mbids), sa.ARRAY(sa.UUID))))
        .order_by(track.c.id)
    )
    if not disabled:
        statement = statement.where(track_mbid.c.disabled.is_(False))
    found: dict[UUID, list[LinkedTrack]] = {}
    for mbid, *link in connection.execute(statement):
        found.setdefault(mbid, []).append(LinkedTrack(*link))
    return found
