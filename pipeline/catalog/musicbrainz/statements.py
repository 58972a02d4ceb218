"""The statements that read a MusicBrainz database, each built once.

Each takes all ids as one array, so a batch needs one execution of each.
"""

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from pipeline.catalog.musicbrainz import tables as mb


def _ids() -> sa.ColumnElement[Any]:
    return sa.bindparam("ids", type_=sa.ARRAY(sa.Integer))


def _gids() -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam("gids", type_=sa.ARRAY(sa.Text)), sa.ARRAY(sa.UUID))


def _text(gid: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.cast(gid, sa.Text)  # a UUID object for each row would take more time than the row


@cache
def recordings(*, isrcs: bool) -> sa.Select[Any]:
    """Return the statement of the fields of `Recording`; takes ``gids``, texts."""
    recording = mb.recording.c
    codes = (
        sa.select(sa.func.array_agg(aggregate_order_by(mb.isrc.c.isrc, mb.isrc.c.isrc)))
        .where(mb.isrc.c.recording == recording.id)
        .scalar_subquery()
    )
    return sa.select(
        recording.id,
        _text(recording.gid),
        recording.name,
        recording.length,
        recording.artist_credit,
        codes if isrcs else sa.null(),
    ).where(recording.gid == sa.any_(_gids()))


@cache
def tracks() -> sa.Select[Any]:
    """Return the statement of the fields of `ReleaseTrack`; takes ``ids`` of recordings."""
    track, medium, medium_format = mb.track.c, mb.medium.c, mb.medium_format.c
    return (
        sa.select(
            track.recording,
            _text(track.gid),
            track.position,
            track.name,
            track.length,
            track.artist_credit,
            medium.release,
            medium.id,
            medium.position,
            medium.name,
            medium_format.name,
            medium.track_count,
        )
        .join_from(mb.track, mb.medium, medium.id == track.medium)
        .outerjoin(mb.medium_format, medium_format.id == medium.format)
        .where(track.recording == sa.any_(_ids()))
    )


@cache
def releases() -> sa.Select[Any]:
    """Return the statement of `Release` and the rest of its `ReleaseGroup`; takes ``ids``."""
    release, group, kind = mb.release.c, mb.release_group.c, mb.release_group_primary_type.c
    size = (
        sa.select(
            sa.func.count().label("mediums"),
            sa.func.coalesce(sa.func.sum(mb.medium.c.track_count), 0).label("tracks"),
        )
        .where(mb.medium.c.release == release.id)
        .lateral("size")
    )
    return (
        sa.select(
            release.id,
            _text(release.gid),
            release.name,
            release.artist_credit,
            size.c.mediums,
            size.c.tracks,
            group.id,
            _text(group.gid),
            group.name,
            group.artist_credit,
            kind.name,
            _secondary_types(group.id),
        )
        .join_from(mb.release, mb.release_group, group.id == release.release_group)
        .join(size, sa.true())
        .outerjoin(mb.release_group_primary_type, kind.id == group.type)
        .where(release.id == sa.any_(_ids()))
    )


def _secondary_types(group: sa.ColumnElement[int]) -> sa.ScalarSelect[Any]:
    link, kind = mb.release_group_secondary_type_join.c, mb.release_group_secondary_type.c
    return (
        sa.select(sa.func.array_agg(aggregate_order_by(kind.name, kind.name)))
        .join_from(
            mb.release_group_secondary_type_join,
            mb.release_group_secondary_type,
            kind.id == link.secondary_type,
        )
        .where(link.release_group == group)
        .scalar_subquery()
    )


@cache
def events() -> sa.Select[Any]:
    """Return the statement of release and `ReleaseEvent`; takes ``ids`` of releases.

    The earliest event is first, one of an unknown date last.
    """
    known, unknown = mb.release_country.c, mb.release_unknown_country.c
    dates = ("date_year", "date_month", "date_day")
    events = sa.union_all(
        sa.select(known.release, known.country, *(known[part] for part in dates)).where(
            known.release == sa.any_(_ids())
        ),
        sa.select(
            unknown.release, sa.cast(sa.null(), sa.Integer), *(unknown[part] for part in dates)
        ).where(unknown.release == sa.any_(_ids())),
    ).subquery("events")
    code = mb.iso_3166_1.c.code
    when = [events.c[part] for part in dates]
    return (
        sa.select(events.c.release, code, *when)
        .outerjoin_from(events, mb.iso_3166_1, mb.iso_3166_1.c.area == events.c.country)
        .order_by(*(part.asc().nulls_last() for part in when), code.asc().nulls_last())
    )


@cache
def artists() -> sa.Select[Any]:
    """Return the statement of credit and `Artist`, by position; takes ``ids`` of credits."""
    name = mb.artist_credit_name.c
    return (
        sa.select(name.artist_credit, _text(mb.artist.c.gid), name.name, name.join_phrase)
        .join_from(mb.artist_credit_name, mb.artist, mb.artist.c.id == name.artist)
        .where(name.artist_credit == sa.any_(_ids()))
        .order_by(name.artist_credit, name.position)
    )
