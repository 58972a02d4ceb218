"""Names in a recording of a reply: from MusicBrainz, or from submitted texts."""

from collections.abc import Mapping
from typing import Any

Recording = Mapping[str, Any]


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
