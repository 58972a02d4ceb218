"""Reads recordings, releases and artists from a MusicBrainz database.

`load` reads the metadata of a batch of lookups in at most five statements, for any number of
recordings. It returns tuples by MusicBrainz's row ids.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import sqlalchemy as sa

from pipeline.catalog.musicbrainz import statements
from pipeline.catalog.musicbrainz import tables as mb

Credited = Literal["recording", "track", "release", "release_group"]


class Artist(NamedTuple):
    """One artist of a credit, with the name that the credit uses."""

    gid: str
    name: str
    join_phrase: str  # text between this name and the next


class Recording(NamedTuple):
    """A recording; `isrcs` is None if they were not requested or there are none."""

    id: int
    gid: str
    title: str
    length: int | None  # milliseconds
    credit: int
    isrcs: list[str] | None


class ReleaseTrack(NamedTuple):
    """A recording on a medium of a release."""

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
    """A group of releases, such as the editions of an album."""

    id: int
    gid: str
    title: str
    credit: int
    primary_type: str | None
    secondary_types: list[str] | None


class Release(NamedTuple):
    """One release, with the number of its mediums and tracks."""

    id: int
    gid: str
    title: str
    credit: int
    medium_count: int
    track_count: int
    group: int


class ReleaseEvent(NamedTuple):
    """Date and country of a release; unknown parts are None."""

    country: str | None  # ISO 3166-1 code
    year: int | None
    month: int | None
    day: int | None


@dataclass(slots=True)
class Wanted:
    """The metadata that a batch needs.

    Attributes:
        recordings: MBIDs of the recordings.
        with_releases: MBIDs of the recordings whose tracks and releases are needed too.
        isrcs: whether ISRCs are needed.
        events: whether release events are needed.
        credited: the objects whose artists are needed.
    """

    recordings: set[str] = field(default_factory=set)
    with_releases: set[str] = field(default_factory=set)
    isrcs: bool = False
    events: bool = False
    credited: set[Credited] = field(default_factory=set)


@dataclass(slots=True)
class MusicbrainzRows:
    """The rows of MusicBrainz for the wanted recordings.

    Attributes:
        recordings: recordings by MBID.
        tracks: tracks by id of the recording.
        releases: releases by id.
        groups: release groups by id.
        events: events by id of the release, oldest first.
        artists: artists by id of the credit, in the order of the credit.
    """

    recordings: dict[str, Recording] = field(default_factory=dict)
    tracks: dict[int, list[ReleaseTrack]] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    groups: dict[int, ReleaseGroup] = field(default_factory=dict)
    events: dict[int, list[ReleaseEvent]] = field(default_factory=dict)
    artists: dict[int, list[Artist]] = field(default_factory=dict)


def load(connection: sa.Connection, wanted: Wanted) -> MusicbrainzRows:
    """Return the metadata of recordings.

    Args:
        connection: a connection to the ``musicbrainz`` database.
        wanted: the recordings, and the kinds of metadata.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is unreachable, too slow, or has no such tables.
    """
    found = MusicbrainzRows()
    if not wanted.recordings:
        return found
    query = statements.recordings(isrcs=wanted.isrcs)
    for row in connection.execute(query, {"gids": list(wanted.recordings)}):
        found.recordings[row[1]] = Recording._make(row)
    ids = [found.recordings[gid].id for gid in wanted.with_releases if gid in found.recordings]
    if ids:
        _load_releases(connection, ids, found)
    if found.releases and wanted.events:
        rows = connection.execute(statements.events(), {"ids": list(found.releases)})
        for release, *event in rows:
            found.events.setdefault(release, []).append(ReleaseEvent._make(event))
    credits_ = _credits(found, wanted.credited)
    if credits_:
        rows = connection.execute(statements.artists(), {"ids": list(credits_)})
        for credit, *artist in rows:
            found.artists.setdefault(credit, []).append(Artist._make(artist))
    return found


def is_empty(connection: sa.Connection) -> bool:
    """Return whether a MusicBrainz database has no recording."""
    return connection.execute(sa.select(mb.recording.c.id).limit(1)).first() is None


def _load_releases(
    connection: sa.Connection, recordings: list[int], found: MusicbrainzRows
) -> None:
    rows = connection.execute(statements.tracks(), {"ids": recordings})
    tracks = [ReleaseTrack._make(row) for row in rows]
    ids = {track.release for track in tracks}
    if not ids:
        return
    for row in connection.execute(statements.releases(), {"ids": list(ids)}):
        release = Release._make(row[: len(Release._fields)])
        found.releases[release.id] = release
        group = ReleaseGroup._make((release.group, *row[len(Release._fields) :]))
        found.groups.setdefault(group.id, group)
    for track in tracks:
        if track.release in found.releases:  # it may have been removed after the last statement
            found.tracks.setdefault(track.recording, []).append(track)


def _credits(found: MusicbrainzRows, credited: set[Credited]) -> set[int]:
    """Return the ids of the artist credits of the wanted kinds of objects."""
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
