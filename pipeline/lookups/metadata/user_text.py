"""Makes the JSON of submitted texts, for the word `usermeta`.

The recordings, release groups and releases of a text have no ids, and no unknown titles and
artists. A track always has its title, null if unknown, and its artists. Artists are strings.
"""

from typing import Any, Final

from pipeline.catalog.fingerprint.track_links import UserText
from pipeline.lookups.metadata.json_parts import Json, compress, date_fields, put
from pipeline.lookups.metadata.meta_words import Detail, MetaOptions

MAX_TEXTS: Final = 10
"""Maximum number of texts of a track in an answer."""


def text_recording(text: UserText, options: MetaOptions) -> Json:
    """Return a text in the form of a recording without an id."""
    shown = _titled(text.title, text.artist) if options.recordings is Detail.FULL else {}
    if options.release_groups:
        shown["releasegroups"] = [_release_group(text, options)]
    elif options.releases:
        shown["releases"] = [_release(text, options)]
    if options.compress:
        compress(shown)
    return _without_empty_parts(shown)


def _titled(title: str | None, artist: str | None) -> Json:
    shown: Json = {"title": title or ""}
    put(shown, "artists", [artist] if artist else None)
    return shown


def _release_group(text: UserText, options: MetaOptions) -> Json:
    full = options.release_groups is Detail.FULL
    shown = _titled(text.album, text.album_artist) if full else {}
    if options.releases:
        shown["releases"] = [_release(text, options)]
    return shown


def _release(text: UserText, options: MetaOptions) -> Json:
    shown: Json = {}
    if options.releases is Detail.FULL:
        shown = _titled(text.album, text.album_artist)
        event: dict[str, Any] = {}
        put(event, "date", date_fields(text.year, None, None))
        shown |= {"releaseevents": [event], **event}
    if options.tracks:
        shown["mediums"] = [_medium(text)]
    return shown


def _medium(text: UserText) -> Json:
    track = {
        "id": text.id,
        "position": text.track_no,
        "title": text.title,
        "artists": [text.artist] if text.artist else [],
    }
    return {"position": text.disc_no, "track_count": None, "tracks": [track]}


def _without_empty_parts(part: Json) -> Json:
    """Remove empty titles, and release groups and releases that are empty; tracks stay."""
    kept: Json = {}
    for key, value in part.items():
        if key in ("releasegroups", "releases"):
            put(kept, key, [child for child in map(_without_empty_parts, value) if child])
        elif key != "title" or value:
            kept[key] = value
    return kept
