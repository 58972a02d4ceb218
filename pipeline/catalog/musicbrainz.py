"""Recordings, releases and artists as a MusicBrainz database knows them.

One call reads everything that a batch of lookups shows, in at most five statements, whatever the
number of recordings. What comes back are plain tuples keyed by MusicBrainz's own row ids.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from pipeline.catalog import musicbrainz_tables as mb

Credited = Literal["recording", "track", "release", "release_group"]


class Artist(NamedTuple):
    """One artist of a credit, under the name that the credit uses."""

    gid: str
    name: str
    join_phrase: str  # what stands between this name and the next


class Recording(NamedTuple):
    """A recording; `isrcs` is None when they were not asked for or there are none."""

    id: int
    gid: str
    title: str
    length: int | None  # milliseconds
    credit: int
    isrcs: list[str] | None


class Track(NamedTuple):
    """A recording's place on a medium of a release."""

    recording: int
    gid: str
    position: int
    title: str
    length: int | None  # milliseconds
    credit: int
    release: int
    medium: int
    medium_position: int
    medium_title: str
    medium_format: str | None
    medium_track_count: int


class ReleaseGroup(NamedTuple):
    """What a release is an edition of."""

    id: int
    gid: str
    title: str
    credit: int
    primary_type: str | None
    secondary_types: list[str] | None


class Release(NamedTuple):
    """One edition, with the size of all its mediums together."""

    id: int
    gid: str
    title: str
    credit: int
    medium_count: int
    track_count: int
    group: int


class ReleaseEvent(NamedTuple):
    """When and where a release came out; what is unknown is None."""

    country: str | None  # ISO 3166-1 code
    year: int | None
    month: int | None
    day: int | None


@dataclass(slots=True)
class Wanted:
    """What a batch needs to know.

    Attributes:
        recordings: MBIDs whose recordings are needed.
        placed: those among them whose tracks and releases are needed too.
        isrcs: whether recordings come with their ISRCs.
        events: whether the releases' events are needed.
        credited: whose artists are needed.
    """

    recordings: set[str] = field(default_factory=set)
    placed: set[str] = field(default_factory=set)
    isrcs: bool = False
    events: bool = False
    credited: set[Credited] = field(default_factory=set)


@dataclass(slots=True)
class Catalogue:
    """What MusicBrainz knows of the recordings that were asked for."""

    recordings: dict[str, Recording] = field(default_factory=dict)  # by MBID
    tracks: dict[int, list[Track]] = field(default_factory=dict)  # by recording
    releases: dict[int, Release] = field(default_factory=dict)
    groups: dict[int, ReleaseGroup] = field(default_factory=dict)
    events: dict[int, list[ReleaseEvent]] = field(default_factory=dict)  # by release, first first
    artists: dict[int, list[Artist]] = field(default_factory=dict)  # by credit, in its order


def load(connection: sa.Connection, wanted: Wanted) -> Catalogue:
    """Return what a MusicBrainz database knows of the recordings.

    Args:
        connection: to the ``musicbrainz`` database.
        wanted: the recordings, and how much of them.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away, too slow, or has no such tables.
    """
    found = Catalogue()
    if not wanted.recordings:
        return found
    statement = _recordings(isrcs=wanted.isrcs)
    for row in connection.execute(statement, {"gids": list(wanted.recordings)}):
        found.recordings[row[1]] = Recording._make(row)
    placed = [found.recordings[gid].id for gid in wanted.placed if gid in found.recordings]
    if placed:
        _load_releases(connection, placed, found)
    if found.releases and wanted.events:
        for release, *event in connection.execute(_events(), {"ids": list(found.releases)}):
            found.events.setdefault(release, []).append(ReleaseEvent._make(event))
    credits_ = _credits(found, wanted.credited)
    if credits_:
        for credit, *artist in connection.execute(_artists(), {"ids": list(credits_)}):
            found.artists.setdefault(credit, []).append(Artist._make(artist))
    return found


def is_empty(connection: sa.Connection) -> bool:
    """Return whether a MusicBrainz database has no recording."""
    return connection.execute(sa.select(mb.recording.c.id).limit(1)).first() is None


def _load_releases(connection: sa.Connection, recordings: list[int], found: Catalogue) -> None:
    for row in connection.execute(_tracks(), {"ids": recordings}):
        found.tracks.setdefault(row[0], []).append(Track._make(row))
    ids = {track.release for tracks in found.tracks.values() for track in tracks}
    if not ids:
        return
    for row in connection.execute(_releases(), {"ids": list(ids)}):
        release = Release._make(row[: len(Release._fields)])
        found.releases[release.id] = release
        group = ReleaseGroup._make((release.group, *row[len(Release._fields) :]))
        found.groups.setdefault(group.id, group)


def _credits(found: Catalogue, credited: set[Credited]) -> set[int]:
    """Return the artist credits of those kinds of things whose artists are shown."""
    wanted: set[int] = set()
    if "recording" in credited:
        wanted.update(recording.credit for recording in found.recordings.values())
    if "track" in credited:
        wanted.update(track.credit for tracks in found.tracks.values() for track in tracks)
    if "release" in credited:
        wanted.update(release.credit for release in found.releases.values())
    if "release_group" in credited:
        wanted.update(group.credit for group in found.groups.values())
    return wanted


def _ids() -> sa.ColumnElement[Any]:
    return sa.bindparam("ids", type_=sa.ARRAY(sa.Integer))


def _gids() -> sa.ColumnElement[Any]:
    return sa.cast(sa.bindparam("gids", type_=sa.ARRAY(sa.Text)), sa.ARRAY(sa.UUID))


def _text(gid: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.cast(gid, sa.Text)  # a UUID object for each row would cost more than the row


@cache
def _recordings(*, isrcs: bool) -> sa.Select[Any]:
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
def _tracks() -> sa.Select[Any]:
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
def _releases() -> sa.Select[Any]:
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
def _events() -> sa.Select[Any]:
    """Return the statement: the earliest event first, one of an unknown date last."""
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
def _artists() -> sa.Select[Any]:
    name = mb.artist_credit_name.c
    return (
        sa.select(name.artist_credit, _text(mb.artist.c.gid), name.name, name.join_phrase)
        .join_from(mb.artist_credit_name, mb.artist, mb.artist.c.id == name.artist)
        .where(name.artist_credit == sa.any_(_ids()))
        .order_by(name.artist_credit, name.position)
    )
