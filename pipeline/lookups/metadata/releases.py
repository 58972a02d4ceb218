"""Makes the JSON of the release groups, releases and mediums of recordings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.catalog.musicbrainz.metadata import (
    MusicbrainzRows,
    Release,
    ReleaseGroup,
    ReleaseTrack,
)
from pipeline.lookups.metadata.json_parts import Json, event_fields, put
from pipeline.lookups.metadata.meta_words import Detail, MetaOptions

K = TypeVar("K", int, str)


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """Makes the JSON of releases for one set of options.

    Release groups and releases are ordered by id, mediums and tracks by position.

    Attributes:
        options: the parts to show.
        musicbrainz: the rows of MusicBrainz.
        artists: the artist lists of `musicbrainz` by credit.
    """

    options: MetaOptions
    musicbrainz: MusicbrainzRows
    artists: dict[int, list[Json]]

    def containers(self, tracks: Sequence[ReleaseTrack]) -> Json:
        """Return ``{"releasegroups": [...]}``, ``{"releases": [...]}`` or ``{}``."""
        if self.options.release_groups:
            return {"releasegroups": self._release_groups(tracks)}
        if self.options.releases:
            return {"releases": self._releases(tracks)}
        return {}

    def _release_groups(self, tracks: Sequence[ReleaseTrack]) -> list[Json]:
        musicbrainz = self.musicbrainz
        grouped = _grouped(tracks, lambda track: musicbrainz.releases[track.release].group)
        groups = sorted((musicbrainz.groups[key] for key in grouped), key=lambda group: group.gid)
        return [self._release_group(group, grouped[group.id]) for group in groups]

    def _release_group(self, group: ReleaseGroup, tracks: Sequence[ReleaseTrack]) -> Json:
        shown: Json = {"id": group.gid}
        if self.options.release_groups is Detail.FULL:
            shown["title"] = group.title
            put(shown, "type", group.primary_type)
            put(shown, "secondarytypes", group.secondary_types)
            put(shown, "artists", self.artists.get(group.credit))
        if self.options.releases:
            shown["releases"] = self._releases(tracks)
        return shown

    def _releases(self, tracks: Sequence[ReleaseTrack]) -> list[Json]:
        grouped = _grouped(tracks, lambda track: track.release)
        releases = sorted(
            (self.musicbrainz.releases[key] for key in grouped), key=lambda release: release.gid
        )
        return [self._release(release, grouped[release.id]) for release in releases]

    def _release(self, release: Release, tracks: Sequence[ReleaseTrack]) -> Json:
        shown: Json = {"id": release.gid}
        if self.options.releases is Detail.FULL:
            shown["title"] = release.title
            put(shown, "medium_count", release.medium_count)
            put(shown, "track_count", release.track_count)
            put(shown, "artists", self.artists.get(release.credit))
            shown.update(event_fields(self.musicbrainz.events.get(release.id, ())))
        if self.options.tracks:
            shown["mediums"] = self._mediums(tracks)
        return shown

    def _mediums(self, tracks: Sequence[ReleaseTrack]) -> list[Json]:
        ordered = sorted(tracks, key=lambda track: (track.medium_position, track.position))
        return [self._medium(group) for group in _grouped(ordered, lambda t: t.medium).values()]

    def _medium(self, tracks: Sequence[ReleaseTrack]) -> Json:
        medium = tracks[0]
        shown: Json = {
            "position": medium.medium_position,
            "track_count": medium.medium_track_count,
            "tracks": [self._track(track) for track in tracks],
        }
        put(shown, "format", medium.medium_format)
        put(shown, "title", medium.medium_title)
        return shown

    def _track(self, track: ReleaseTrack) -> Json:
        shown: Json = {"id": track.gid, "position": track.position, "title": track.title}
        put(shown, "artists", self.artists.get(track.credit))
        return shown


def _grouped(
    tracks: Sequence[ReleaseTrack], key: Callable[[ReleaseTrack], K]
) -> dict[K, list[ReleaseTrack]]:
    groups: dict[K, list[ReleaseTrack]] = {}
    for track in tracks:
        groups.setdefault(key(track), []).append(track)
    return groups
