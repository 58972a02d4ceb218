"""Parts of the JSON of an answer that several modules make; the ``meta`` word ``compress``."""

from collections.abc import Iterable
from typing import Any

from pipeline.catalog.musicbrainz.metadata import Artist, MusicbrainzRows, Recording, ReleaseEvent

Json = dict[str, Any]


def put(target: Json, key: str, value: object) -> None:
    """Set a key, unless the value is empty."""
    if value:
        target[key] = value


def put_seconds(target: Json, milliseconds: int | None) -> None:
    """Set ``duration`` in seconds; 0 and None mean that the length is unknown."""
    if milliseconds:
        target["duration"] = milliseconds / 1000


def artist_lists(musicbrainz: MusicbrainzRows) -> dict[int, list[Json]]:
    """Return the artists of every credit; the answers share the lists."""
    return {
        credit: [_artist(artist) for artist in artists]
        for credit, artists in musicbrainz.artists.items()
    }


def recording_fields(recording: Recording, artists: list[Json] | None) -> Json:
    """Return the fields of a recording, without its releases."""
    shown: Json = {"id": recording.gid, "title": recording.title}
    put_seconds(shown, recording.length)
    put(shown, "artists", artists)
    return shown


def date_fields(year: int | None, month: int | None, day: int | None) -> dict[str, int]:
    """Return the known parts of a date."""
    parts = (("year", year), ("month", month), ("day", day))
    return {name: value for name, value in parts if value}


def event_fields(events: Iterable[ReleaseEvent]) -> Json:
    """Return a release's events, and the country and date of the first as those of the release."""
    shown = [_event(event) for event in events]
    return {"releaseevents": shown, **shown[0]} if shown else {}


def _event(event: ReleaseEvent) -> Json:
    shown: Json = {}
    put(shown, "country", event.country)
    put(shown, "date", date_fields(event.year, event.month, event.day))
    return shown


def _artist(artist: Artist) -> Json:
    shown: Json = {"id": artist.gid, "name": artist.name}
    put(shown, "joinphrase", artist.join_phrase)
    return shown


def compress(enclosing: Json) -> None:
    """Remove values of releases and tracks that equal those of the objects that contain them.

    A client takes a missing title of a track from the recording, a missing title of a release from
    its release group, and missing artists from the innermost enclosing object with artists.

    Args:
        enclosing: a recording, or a result without recordings; it is modified.
    """
    for group in enclosing.get("releasegroups", ()):
        for release in group.get("releases", ()):
            _compress_tracks(release, enclosing)
            _drop_repeated(release, group, ("artists", "title"))
        _drop_repeated(group, enclosing, ("artists",))
    for release in enclosing.get("releases", ()):
        _compress_tracks(release, enclosing)
        _drop_repeated(release, enclosing, ("artists",))


def _compress_tracks(release: Json, enclosing: Json) -> None:
    """Compress the tracks of a release. Call this before the release's artists are removed."""
    for medium in release.get("mediums", ()):
        for track in medium["tracks"]:
            _drop_repeated(track, release, ("artists",))
            _drop_repeated(track, enclosing, ("title",))


def _drop_repeated(part: Json, enclosing: Json, keys: Iterable[str]) -> None:
    for key in keys:
        if key in part and part[key] == enclosing.get(key):
            del part[key]
