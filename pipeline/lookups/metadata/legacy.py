"""The word `m2`: recordings in the shape of the service's earlier days."""

from collections.abc import Iterable

from pipeline.catalog.fingerprint.track_links import RecordingLink
from pipeline.catalog.musicbrainz.metadata import Catalogue, Track
from pipeline.lookups.metadata.fields import Json, put, put_seconds


def legacy_recordings(
    links: Iterable[RecordingLink], catalogue: Catalogue, artists: dict[int, list[Json]]
) -> list[Json]:
    """Return a track's recordings with their places on releases; one without any is its id."""
    return [_recording(link.mbid, catalogue, artists) for link in links]


def _recording(mbid: str, catalogue: Catalogue, artists: dict[int, list[Json]]) -> Json:
    shown: Json = {"id": mbid}
    recording = catalogue.recordings.get(mbid)
    tracks = catalogue.tracks.get(recording.id) if recording else None
    if recording and tracks:
        put_seconds(shown, recording.length)
        ordered = sorted(tracks, key=lambda track: _place(track, catalogue))
        shown["tracks"] = [_track(track, catalogue, artists) for track in ordered]
    return shown


def _place(track: Track, catalogue: Catalogue) -> tuple[str, int, int]:
    return catalogue.releases[track.release].gid, track.medium_position, track.position


def _track(track: Track, catalogue: Catalogue, artists: dict[int, list[Json]]) -> Json:
    release = catalogue.releases[track.release]
    medium: Json = {
        "position": track.medium_position,
        "track_count": track.medium_track_count,
        "release": {"id": release.gid, "title": release.title},
    }
    put(medium, "format", track.medium_format)
    shown: Json = {"title": track.title, "position": track.position, "medium": medium}
    put_seconds(shown, track.length)
    put(shown, "artists", artists.get(track.credit))
    return shown
