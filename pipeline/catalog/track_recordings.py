"""Reads all recordings that tracks are linked to, for operators: also disabled and merged links."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.tables import track_mbid
from pipeline.catalog.fingerprint.track_links import length_ranges
from pipeline.catalog.musicbrainz.recording_lengths import recording_lengths
from pipeline.runtime.databases import Databases


@dataclass(frozen=True, slots=True)
class TrackRecording:
    """A track's link to a recording.

    Attributes:
        link_id: the id of the link, a row of `track_mbid`.
        mbid: the MBID of the recording.
        sources: number of submissions that confirmed the link.
        disabled: whether lookups leave out the link.
        merged_into: the MBID whose link replaces this one; None if there is none.
        length: milliseconds of the recording at MusicBrainz; None if it is unknown.
        duration_mismatch: whether the recording is too long or too short for the track; see
            `pipeline.catalog.duration_mismatch`.
    """

    link_id: int
    mbid: UUID
    sources: int
    disabled: bool
    merged_into: UUID | None
    length: int | None
    duration_mismatch: bool


def recordings_of_tracks(
    databases: Databases, track_ids: Collection[int]
) -> dict[int, list[TrackRecording]]:
    """Return the links of tracks by track id, those with the most sources first, then by MBID.

    Args:
        databases: the read-only databases of ``fingerprint`` and ``musicbrainz`` are read. During
            an outage of MusicBrainz all lengths are unknown.
        track_ids: the ids of the tracks; those without a link are left out.

    Raises:
        sqlalchemy.exc.OperationalError: the fingerprint database is unreachable.
    """
    with databases.engine("fingerprint", read_only=True).connect() as connection:
        rows = connection.execute(_links(track_ids)).all()
        ranges = length_ranges(connection, track_ids)
    lengths = recording_lengths(databases, {row.mbid for row in rows})
    found: dict[int, list[TrackRecording]] = {}
    for row in rows:
        found.setdefault(row.track_id, []).append(_recording(row, lengths, ranges))
    return found


def _links(track_ids: Collection[int]) -> sa.Select[int, int, UUID, int, bool, UUID]:
    target = track_mbid.alias("target")
    return (
        sa.select(
            track_mbid.c.track_id,
            track_mbid.c.id,
            track_mbid.c.mbid,
            track_mbid.c.submission_count,
            track_mbid.c.disabled,
            target.c.mbid.label("merged_into"),
        )
        .outerjoin_from(track_mbid, target, track_mbid.c.merged_into == target.c.id)
        .where(is_one_of(track_mbid.c.track_id, track_ids))
        .order_by(track_mbid.c.submission_count.desc(), track_mbid.c.mbid)
    )


def _recording(
    row: sa.Row[int, int, UUID, int, bool, UUID],
    lengths: Mapping[UUID, int],
    ranges: Mapping[int, LengthRange],
) -> TrackRecording:
    length = lengths.get(row.mbid)
    return TrackRecording(
        link_id=row.id,
        mbid=row.mbid,
        sources=row.submission_count,
        disabled=row.disabled,
        merged_into=row.merged_into,
        length=length,
        duration_mismatch=is_mismatch(length, ranges.get(row.track_id)),
    )
