"""Makes the JSON of whole tracks, as the options of a request select it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.track_links import RecordingLink, UserText
from pipeline.catalog.musicbrainz.metadata import MusicbrainzRows, Recording, ReleaseTrack
from pipeline.lookups.metadata.json_parts import Json, compress, put, put_seconds, recording_fields
from pipeline.lookups.metadata.meta_words import Detail, MetaOptions
from pipeline.lookups.metadata.releases import ReleaseView
from pipeline.lookups.metadata.user_text import text_recording


@dataclass(frozen=True, slots=True)
class MetadataRows:
    """The rows that were read for a batch.

    Attributes:
        links: the enabled links by track id, ordered by MBID.
        musicbrainz: the rows of MusicBrainz for the linked recordings.
        artists: the artist lists of `musicbrainz` by credit.
        lengths: the lengths of the fingerprints of each track by its id, if they were read.
    """

    links: Mapping[int, Sequence[RecordingLink]]
    musicbrainz: MusicbrainzRows = field(default_factory=MusicbrainzRows)
    artists: dict[int, list[Json]] = field(default_factory=dict)
    lengths: Mapping[int, LengthRange] = field(default_factory=dict)

    def is_mismatch(self, track_id: int, mbid: str) -> bool:
        """Return whether the length of a recording does not fit a track."""
        lengths = self.lengths.get(track_id)
        recording = self.musicbrainz.recordings.get(mbid) if lengths else None
        return recording is not None and is_mismatch(recording.length, lengths)

    def shown_links(self, track_id: int, options: MetaOptions) -> Sequence[RecordingLink]:
        """Return the links of a track that these options show."""
        links = self.links.get(track_id, ())
        if not options.hide_mismatches:
            return links
        return [link for link in links if not self.is_mismatch(track_id, link.mbid)]

    def has_recording(self, mbid: str, options: MetaOptions) -> bool:
        """Return whether MusicBrainz has the parts of a recording that these options show."""
        recording = self.musicbrainz.recordings.get(mbid)
        if recording is None:
            return False
        return not options.shows_releases or recording.id in self.musicbrainz.tracks


class MetadataView:
    """Makes the JSON of tracks for one set of options.

    The JSON of a recording or track is made once and is part of several results: don't modify it.
    """

    def __init__(self, options: MetaOptions, rows: MetadataRows) -> None:
        self._options = options
        self._rows = rows
        self._releases = ReleaseView(options, rows.musicbrainz, rows.artists)
        self._recordings: dict[str, Json] = {}
        self._tracks: dict[int, Json] = {}

    def of_track(self, track_id: int, texts: Sequence[UserText] = ()) -> Json:
        """Return the metadata of a result, without its id and score.

        Args:
            track_id: the track of the result.
            texts: its submitted texts, which are added after its recordings.
        """
        shown = self._tracks.get(track_id)
        if shown is None:
            shown = self._tracks[track_id] = self._track(track_id)
        if not texts:
            return shown
        pseudo = [text_recording(text, self._options) for text in texts]
        return {"recordings": [*shown.get("recordings", ()), *pseudo]}

    def _track(self, track_id: int) -> Json:
        links = self._rows.shown_links(track_id, self._options)
        if not links:
            return {}
        if self._options.legacy:
            rows = self._rows
            shown = _legacy_recordings(links, rows.musicbrainz, rows.artists)
        elif self._options.recordings:
            shown = [self._linked(link) for link in links]
        else:
            return self._direct(links)
        return {"recordings": self._flagged(track_id, links, shown)}

    def _flagged(
        self, track_id: int, links: Sequence[RecordingLink], shown: list[Json]
    ) -> list[Json]:
        """Return the recordings of links, with a flag if their length does not fit the track."""
        if not self._options.compares_lengths:  # other requests of the batch may have read lengths
            return shown
        return [
            {**each, "duration_mismatch": True}
            if self._rows.is_mismatch(track_id, link.mbid)
            else each
            for link, each in zip(links, shown, strict=True)
        ]

    def _direct(self, links: Sequence[RecordingLink]) -> Json:
        """Return the releases of all recordings of the track together."""
        shown = self._releases.containers([t for link in links for t in self._places(link.mbid)])
        if self._options.compress:
            compress(shown)
        return shown

    def _linked(self, link: RecordingLink) -> Json:
        shown = self._recordings.get(link.mbid)
        if shown is None:
            shown = self._recordings[link.mbid] = self._recording(link.mbid)
        return {**shown, "sources": link.sources} if self._options.sources else shown

    def _recording(self, mbid: str) -> Json:
        if not self._rows.has_recording(mbid, self._options):
            return {"id": mbid}
        recording = self._rows.musicbrainz.recordings[mbid]
        shown = self._recording_itself(recording)
        if self._options.shows_releases:
            shown.update(self._releases.containers(self._places(mbid)))
        if self._options.compress:
            compress(shown)
        return shown

    def _recording_itself(self, recording: Recording) -> Json:
        shown: Json = {"id": recording.gid}
        if self._options.recordings is Detail.FULL:
            shown = recording_fields(recording, self._rows.artists.get(recording.credit))
        if self._options.isrcs:
            put(shown, "isrcs", recording.isrcs)
        return shown

    def _places(self, mbid: str) -> Sequence[ReleaseTrack]:
        musicbrainz = self._rows.musicbrainz
        recording = musicbrainz.recordings.get(mbid)
        return musicbrainz.tracks.get(recording.id, ()) if recording else ()


def _legacy_recordings(
    links: Iterable[RecordingLink], musicbrainz: MusicbrainzRows, artists: dict[int, list[Json]]
) -> list[Json]:
    """Return the recordings of a track in the format of `m2`, with their tracks on releases."""
    return [_legacy_recording(link.mbid, musicbrainz, artists) for link in links]


def _legacy_recording(
    mbid: str, musicbrainz: MusicbrainzRows, artists: dict[int, list[Json]]
) -> Json:
    shown: Json = {"id": mbid}
    recording = musicbrainz.recordings.get(mbid)
    tracks = musicbrainz.tracks.get(recording.id) if recording else None
    if recording and tracks:
        put_seconds(shown, recording.length)
        ordered = sorted(tracks, key=lambda track: _release_order(track, musicbrainz))
        shown["tracks"] = [_legacy_track(track, musicbrainz, artists) for track in ordered]
    return shown


def _release_order(track: ReleaseTrack, musicbrainz: MusicbrainzRows) -> tuple[str, int, int]:
    return musicbrainz.releases[track.release].gid, track.medium_position, track.position


def _legacy_track(
    track: ReleaseTrack, musicbrainz: MusicbrainzRows, artists: dict[int, list[Json]]
) -> Json:
    release = musicbrainz.releases[track.release]
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
