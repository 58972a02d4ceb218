"""The word `compress`: a part leaves out what it repeats of the whole around it."""

from collections.abc import Iterable

from pipeline.lookups.metadata.fields import Json


def compress(whole: Json) -> None:
    """Leave out what the releases and tracks inside a recording, or a result, repeat.

    A client inherits downwards: a track's title from the recording, a release's title from its
    release group, artists from whatever is around. Nothing is left out that isn't shown there.
    """
    for group in whole.get("releasegroups", ()):
        for release in group.get("releases", ()):
            _compress_tracks(release, whole)
            _drop_repeated(release, group, ("artists", "title"))
        _drop_repeated(group, whole, ("artists",))
    for release in whole.get("releases", ()):
        _compress_tracks(release, whole)
        _drop_repeated(release, whole, ("artists",))


def _compress_tracks(release: Json, whole: Json) -> None:
    """Compare with the release as long as it still has its artists."""
    for medium in release.get("mediums", ()):
        for track in medium["tracks"]:
            _drop_repeated(track, release, ("artists",))
            _drop_repeated(track, whole, ("title",))


def _drop_repeated(part: Json, whole: Json, keys: Iterable[str]) -> None:
    for key in keys:
        if key in part and part[key] == whole.get(key):
            del part[key]
