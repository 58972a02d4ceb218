"""Reads the links of tracks for replies: MusicBrainz recordings and submitted texts."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.duration_mismatch import LengthRange
from pipeline.catalog.fingerprint.tables import (
    fingerprint,
    meta,
    track,
    track_mbid,
    track_meta,
)


class RecordingLink(NamedTuple):
    """A track's link to a recording."""

    mbid: str
    sources: int  # number of submissions that confirmed it


class UserText(NamedTuple):
    """Submitted text metadata; an unknown field is None."""

    id: int
    title: str | None
    artist: str | None
    album: str | None
    album_artist: str | None
    track_no: int | None
    disc_no: int | None
    year: int | None


def enabled_links(
    connection: sa.Connection, track_ids: Iterable[int]
) -> dict[int, list[RecordingLink]]:
    """Return the enabled links of tracks by track id, those of one track in the order of MBIDs.

    Args:
        connection: a connection to the ``fingerprint`` database.
        track_ids: the ids of the tracks; those without a link are left out.
    """
    wanted = list(track_ids)
    found: dict[int, list[RecordingLink]] = {}
    if wanted:
        for track_id, mbid, sources in connection.execute(_links(), {"ids": wanted}):
            found.setdefault(track_id, []).append(RecordingLink(mbid, sources))
    return found


def links_with_lengths(
    connection: sa.Connection, track_ids: Iterable[int]
) -> tuple[dict[int, list[RecordingLink]], dict[int, LengthRange]]:
    """Return the result of `enabled_links`, and the lengths of the fingerprints of these tracks.

    It is one statement. A track without a link or without a fingerprint has no lengths.
    """
    links: dict[int, list[RecordingLink]] = {}
    lengths: dict[int, LengthRange] = {}
    rows = connection.execute(_links_with_lengths(), {"ids": list(track_ids)})
    for track_id, mbid, sources, shortest, longest in rows:
        links.setdefault(track_id, []).append(RecordingLink(mbid, sources))
        if longest is not None:
            lengths[track_id] = LengthRange(shortest, longest)
    return links, lengths


def length_ranges(connection: sa.Connection, track_ids: Iterable[int]) -> dict[int, LengthRange]:
    """Return the lengths of the fingerprints of tracks, by track id."""
    rows = connection.execute(_ranges(), {"ids": list(track_ids)})
    return {track_id: LengthRange(*lengths) for track_id, *lengths in rows}


def user_texts(
    connection: sa.Connection, track_ids: Iterable[int], limit: int
) -> dict[int, list[UserText]]:
    """Return the texts of tracks that most submissions confirm, by track id, at most `limit` each.

    Args:
        connection: a connection to the ``fingerprint`` database.
        track_ids: the ids of the tracks; those without a text are left out.
        limit: maximum number of texts of one track.
    """
    wanted = list(track_ids)
    found: dict[int, list[UserText]] = {}
    if wanted:
        values = {"ids": wanted, "most": limit}
        for track_id, *text in connection.execute(_texts(), values):
            found.setdefault(track_id, []).append(UserText(*text))
    return found


def _ids() -> sa.ColumnElement[Any]:
    return sa.bindparam("ids", type_=sa.ARRAY(sa.Integer))


@cache
def _links() -> sa.Select[Any]:
    return (
        sa.select(
            track_mbid.c.track_id,
            sa.cast(track_mbid.c.mbid, sa.Text),
            track_mbid.c.submission_count,
        )
        .where(track_mbid.c.track_id == sa.any_(_ids()), track_mbid.c.disabled.is_(False))
        .order_by(track_mbid.c.track_id, track_mbid.c.mbid)
    )


@cache
def _ranges() -> sa.Select[Any]:
    length = fingerprint.c.length
    return (
        sa.select(
            fingerprint.c.track_id,
            sa.func.min(length).label("shortest"),
            sa.func.max(length).label("longest"),
        )
        .where(fingerprint.c.track_id == sa.any_(_ids()))
        .group_by(fingerprint.c.track_id)
    )


@cache
def _links_with_lengths() -> sa.Select[Any]:
    ranges = _ranges().cte("ranges")
    return (
        _links()
        .add_columns(ranges.c.shortest, ranges.c.longest)
        .outerjoin_from(track_mbid, ranges, ranges.c.track_id == track_mbid.c.track_id)
    )


@cache
def _texts() -> sa.Select[Any]:
    """Return the statement. It reads at most ``most`` rows of an index for each track."""
    wanted = (
        sa.func.unnest(_ids())
        .table_valued(sa.column("track_id", sa.Integer), name="wanted")
        .render_derived()
    )
    best = (
        sa.select(
            meta.c.id,
            meta.c.track,
            meta.c.artist,
            meta.c.album,
            meta.c.album_artist,
            meta.c.track_no,
            meta.c.disc_no,
            meta.c.year,
            track_meta.c.submission_count,
        )
        .join_from(track_meta, meta)
        .where(track_meta.c.track_id == wanted.c.track_id)
        .order_by(track_meta.c.submission_count.desc(), meta.c.id)
        .limit(sa.bindparam("most", type_=sa.Integer))
        .lateral("best")
    )
    shown = [column for column in best.c if column.name != "submission_count"]
    return (
        sa.select(wanted.c.track_id, *shown)
        .select_from(wanted.join(best, sa.true()))
        .order_by(wanted.c.track_id, best.c.submission_count.desc(), best.c.id)
    )


class LinkedTrack(NamedTuple):
    """A track that is linked to a recording."""

    gid: UUID
    disabled: bool  # state of the link, not of the track
    sources: int  # number of submissions that confirmed the link
    lengths: list[int]  # lengths of the track's fingerprints in seconds, each once, ascending


def tracks_by_mbids(
    connection: sa.Connection, mbids: Iterable[UUID], *, disabled: bool = False
) -> dict[UUID, list[LinkedTrack]]:
    """Return the tracks of recordings by MBID, in one statement.

    The tracks of a recording with the most sources are first, of those with equally many the
    oldest. A track that was merged into another is returned as itself.

    Args:
        connection: a connection to the ``fingerprint`` database.
        mbids: the MBIDs of the recordings; those without a track are left out.
        disabled: whether to include disabled links.
    """
    statement = (
        sa.select(
            track_mbid.c.mbid,
            track.c.gid,
            track_mbid.c.disabled,
            track_mbid.c.submission_count,
            _lengths_of(track.c.id),
        )
        .join_from(track_mbid, track, track_mbid.c.track_id == track.c.id)
        .where(is_one_of(track_mbid.c.mbid, mbids))
        .order_by(track_mbid.c.submission_count.desc(), track.c.id)
    )
    if not disabled:
        statement = statement.where(track_mbid.c.disabled.is_(False))
    found: dict[UUID, list[LinkedTrack]] = {}
    for mbid, gid, is_disabled, sources, lengths in connection.execute(statement):
        link = LinkedTrack(gid, is_disabled, sources, lengths or [])
        found.setdefault(mbid, []).append(link)
    return found


def _lengths_of(track_id: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    length = fingerprint.c.length
    return (
        sa.select(sa.func.array_agg(aggregate_order_by(sa.distinct(length), length)))
        .where(fingerprint.c.track_id == track_id)
        .correlate(track)
        .scalar_subquery()
    )
