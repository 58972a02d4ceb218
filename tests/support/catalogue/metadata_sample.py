"""A small catalogue that covers every rule of metadata: its rows, and the objects read from them.

Track A and its first recording are the sample of the protocol's description.
"""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.duration_mismatch import LengthRange
from pipeline.catalog.fingerprint import tables as fp
from pipeline.catalog.fingerprint.track_links import RecordingLink, UserText
from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.metadata import (
    Artist,
    MusicbrainzRows,
    Recording,
    Release,
    ReleaseEvent,
    ReleaseGroup,
    ReleaseTrack,
)

Rows = dict[sa.Table, list[dict[str, Any]]]


def track_gid(number: int) -> str:
    """Return the public id of a track."""
    return f"0a1b2c3d-0000-4000-8000-{number:012}"


def mbid(number: int) -> str:
    """Return the MBID of a recording."""
    return f"5d1f0c5e-1111-4aaa-8aaa-{number:012}"


def gid(kind: str, number: int) -> str:
    """Return the MBID of an artist (aa), release group (bb), release (cc) or track (ee)."""
    return f"{kind}000000-0000-4000-8000-{number:012}"


WEATHER, DUET, HARBOUR, STRANGER = (mbid(number) for number in (1, 2, 5, 9))
HIDDEN: Final = mbid(3)

# Tracks: A has a recording on two releases and one on none; B has text only; C leads to an
# unknown MBID, D to a recording on no release, E to two recordings that share a medium.
A, B, C, D, E = range(1, 6)

LINKS: Final[dict[int, list[RecordingLink]]] = {
    A: [RecordingLink(WEATHER, 12), RecordingLink(DUET, 2)],
    C: [RecordingLink(STRANGER, 1)],
    D: [RecordingLink(DUET, 3)],
    E: [RecordingLink(WEATHER, 4), RecordingLink(HARBOUR, 5)],
}

LENGTHS: Final = {A: LengthRange(238, 243), D: LengthRange(241, 241), E: LengthRange(238, 243)}
"""The lengths of the tracks' fingerprints. `HARBOUR` is much shorter than track E."""

TEXTS: Final[dict[int, list[UserText]]] = {
    B: [
        UserText(
            1, "Harbour Lights", "Northern Pier", "Salt and Rope", "Northern Pier", 4, 1, 2011
        ),
        UserText(2, "Harbour Lights (live)", "Northern Pier", None, None, None, None, None),
    ],
    C: [UserText(3, "Unheard", None, None, None, None, None, None)],
}

# A medium: release, id, position, title, format, tracks.
_DISC = (1, 1, 1, "", "CD", 10)
_BONUS = (1, 2, 2, "Bonus", None, 5)
_SAMPLER = (2, 3, 1, "", "CD", 20)
_SINGLE = (3, 4, 1, "", None, 5)

CATALOGUE: Final = MusicbrainzRows(
    recordings={
        WEATHER: Recording(
            1, WEATHER, "Glass Weather", 241500, 1, ["NOXYZ2400001", "NOXYZ2400002"]
        ),
        DUET: Recording(2, DUET, "Glass Weather (duet)", None, 2, None),
        HARBOUR: Recording(5, HARBOUR, "Harbour", 60000, 3, None),
    },
    tracks={
        1: [
            ReleaseTrack(1, gid("ee", 1), 3, "Glass Weather", 241500, 1, *_DISC),
            ReleaseTrack(1, gid("ee", 2), 7, "Glass Weather (album version)", 241000, 2, *_SAMPLER),
        ],
        5: [
            ReleaseTrack(5, gid("ee", 5), 1, "Harbour", None, 3, *_DISC),
            ReleaseTrack(5, gid("ee", 6), 4, "Harbour, again", 61000, 1, *_BONUS),
            ReleaseTrack(5, gid("ee", 7), 1, "Harbour", None, 3, *_SINGLE),
        ],
    },
    releases={
        1: Release(1, gid("cc", 1), "Slow Storm", 1, 2, 15, 1),
        2: Release(2, gid("cc", 2), "Northern Sampler", 2, 1, 20, 2),
        3: Release(3, gid("cc", 3), "Harbour", 3, 1, 5, 3),
    },
    groups={
        1: ReleaseGroup(1, gid("bb", 1), "Slow Storm", 1, "Album", None),
        2: ReleaseGroup(2, gid("bb", 2), "Northern Sampler", 2, "Album", ["Compilation"]),
        3: ReleaseGroup(3, gid("bb", 3), "Harbour", 3, None, None),
    },
    events={
        1: [ReleaseEvent("NO", 2024, 3, 15), ReleaseEvent("IS", 2024, None, None)],
        3: [ReleaseEvent(None, None, None, None)],
    },
    artists={
        1: [Artist(gid("aa", 1), "Aurora Lane", "")],
        2: [
            Artist(gid("aa", 1), "Aurora Lane", " feat. "),
            Artist(gid("aa", 2), "The Cold Fronts", ""),
        ],
    },
)


def fill(musicbrainz: sa.Connection, fingerprint: sa.Connection) -> None:
    """Insert the sample into two empty databases; the caller commits."""
    for connection, rows in ((musicbrainz, _musicbrainz()), (fingerprint, _fingerprint())):
        for table, values in rows.items():
            connection.execute(sa.insert(table), values)


def _fingerprint() -> Rows:
    links = [
        {"track_id": track_id, "mbid": UUID(link.mbid), "submission_count": link.sources}
        for track_id, found in LINKS.items()
        for link in reversed(found)
    ]
    hidden = {"track_id": A, "mbid": UUID(HIDDEN), "submission_count": 99, "disabled": True}
    names = ("track", "artist", "album", "album_artist", "track_no", "disc_no", "year")
    texts = [text for found in TEXTS.values() for text in found]
    return {
        fp.track: [{"gid": UUID(track_gid(number))} for number in (A, B, C, D, E)],
        fp.fingerprint: [
            {
                "track_id": track_id,
                "length": length,
                "words": b"\1\0\0\0",
                "gid": UUID(gid("fc", track_id)),
                "simhash": 1,
                "submission_count": 1,
            }
            for track_id, lengths in LENGTHS.items()
            for length in lengths
        ],
        fp.track_mbid: [*({**link, "disabled": False} for link in links), hidden],
        fp.meta: [
            {**dict(zip(names, text[1:], strict=True)), "gid": UUID(gid("ff", text.id))}
            for text in texts
        ],
        fp.track_meta: [
            {"track_id": track_id, "meta_id": text.id, "submission_count": 9 - text.id}
            for track_id, found in TEXTS.items()
            for text in found
        ],
    }


def _musicbrainz() -> Rows:
    return _recordings() | _artists() | _mediums() | _releases() | _groups()


def _recordings() -> Rows:
    found = CATALOGUE.recordings.values()
    codes = [(recording.id, code) for recording in found for code in recording.isrcs or ()]
    return {
        mb.recording: [
            {
                "id": each.id,
                "gid": UUID(each.gid),
                "name": each.title,
                "length": each.length,
                "artist_credit": each.credit,
            }
            for each in found
        ],
        mb.isrc: [
            {"id": number, "recording": recording, "isrc": code}
            for number, (recording, code) in enumerate(reversed(codes))
        ],
    }


def _artists() -> Rows:
    names = ("Aurora Lane", "The Cold Fronts")
    return {
        mb.artist: [
            {"id": number, "gid": UUID(gid("aa", number)), "name": name, "sort_name": name}
            for number, name in enumerate(names, 1)
        ],
        mb.artist_credit: [
            {"id": number, "name": "", "artist_count": 0, "gid": UUID(gid("ac", number))}
            for number in (1, 2, 3)
        ],
        mb.artist_credit_name: [
            {
                "artist_credit": credit,
                "position": position,
                "artist": int(artist.gid[-1]),
                "name": artist.name,
                "join_phrase": artist.join_phrase,
            }
            for credit, artists in CATALOGUE.artists.items()
            for position, artist in enumerate(artists)
        ],
    }


def _mediums() -> Rows:
    tracks = [track for found in CATALOGUE.tracks.values() for track in found]
    mediums = {track.medium: track for track in tracks}
    return {
        mb.medium_format: [{"id": 1, "name": "CD", "gid": UUID(gid("fa", 1))}],
        mb.medium: [
            {
                "id": each.medium,
                "release": each.release,
                "position": each.medium_position,
                "format": 1 if each.medium_format else None,
                "name": each.medium_title,
                "track_count": each.medium_track_count,
                "gid": UUID(gid("dd", each.medium)),
            }
            for each in mediums.values()
        ],
        mb.track: [
            {
                "id": number,
                "gid": UUID(each.gid),
                "recording": each.recording,
                "medium": each.medium,
                "position": each.position,
                "number": str(each.position),
                "name": each.title,
                "artist_credit": each.credit,
                "length": each.length,
            }
            for number, each in enumerate(tracks, 1)
        ],
    }


def _releases() -> Rows:
    return {
        mb.release: [
            {
                "id": each.id,
                "gid": UUID(each.gid),
                "name": each.title,
                "artist_credit": each.credit,
                "release_group": each.group,
            }
            for each in CATALOGUE.releases.values()
        ],
        mb.iso_3166_1: [{"area": 1, "code": "NO"}, {"area": 2, "code": "IS"}],
        mb.release_country: [
            _event(1, country=2, year=2024),
            _event(1, country=1, year=2024, month=3, day=15),
        ],
        mb.release_unknown_country: [{"release": 3}],
    }


def _event(
    release: int, country: int, year: int, month: int | None = None, day: int | None = None
) -> dict[str, Any]:
    return {
        "release": release,
        "country": country,
        "date_year": year,
        "date_month": month,
        "date_day": day,
    }


def _groups() -> Rows:
    return {
        mb.release_group: [
            {
                "id": each.id,
                "gid": UUID(each.gid),
                "name": each.title,
                "artist_credit": each.credit,
                "type": 1 if each.primary_type else None,
            }
            for each in CATALOGUE.groups.values()
        ],
        mb.release_group_primary_type: [{"id": 1, "name": "Album", "gid": UUID(gid("fb", 1))}],
        mb.release_group_secondary_type: [
            {"id": 1, "name": "Compilation", "gid": UUID(gid("fc", 1))}
        ],
        mb.release_group_secondary_type_join: [{"release_group": 2, "secondary_type": 1}],
    }
