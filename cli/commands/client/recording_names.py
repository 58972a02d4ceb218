"""Names in a recording of a reply: from MusicBrainz, or from submitted texts."""

from collections.abc import Mapping
from typing import Any, Final

Recording = Mapping[str, Any]

NAMED_BY_TAGS: Final = "names from tags"
"""A key of a recording with an MBID whose names come from a submitted text."""


def merged_recordings(result: Mapping[str, Any]) -> list[Recording]:
    """Return the recordings of a result of a lookup, each one once.

    The service returns a recording that MusicBrainz does not have, and the text that was submitted
    with its MBID, as two recordings: one with the id alone, one with the names alone. They become
    one if they are the only ones.
    """
    found = list(result.get("recordings") or ())
    linked = {each["id"]: each for each in found if "id" in each}
    texts = {(each.get("title"), artist_of(each)): each for each in found if "id" not in each}
    if len(linked) == len(texts) == 1:
        [recording], [text] = linked.values(), texts.values()
        if not recording.get("title"):
            return [{**text, **recording, "title": text.get("title"), NAMED_BY_TAGS: True}]
    unique: list[Recording] = []
    for each in found:
        if each not in unique:
            unique.append(each)
    return unique


def artist_of(recording: Recording) -> str:
    """Return the artists as one text; empty if the reply has none.

    Artists of MusicBrainz are objects with a `joinphrase`; those of submitted texts are strings.
    """
    return "".join(map(_artist, recording.get("artists") or ()))


def _artist(artist: object) -> str:
    if isinstance(artist, dict):
        return f"{artist.get('name', '')}{artist.get('joinphrase', '')}"
    return str(artist)


def album_of(recording: Recording) -> str:
    """Return the title of the only release group; empty if there are none or several titles."""
    groups = [each for each in recording.get("releasegroups") or () if isinstance(each, dict)]
    titles = {str(each["title"]) for each in groups if each.get("title")}
    return titles.pop() if len(titles) == 1 else ""
