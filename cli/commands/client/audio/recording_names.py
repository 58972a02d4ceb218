"""Names in a recording of a reply: from MusicBrainz, or from submitted texts."""

from collections.abc import Iterable, Mapping
from typing import Any

Recording = Mapping[str, Any]


def artist_of(recording: Recording) -> str:
    """Return the artists as one text; empty if the reply has none.

    Artists of MusicBrainz are objects with a `joinphrase`; those of submitted texts are strings.
    """
    return "".join(
        each if isinstance(each, str) else each.get("name", "") + each.get("joinphrase", "")
        for each in recording.get("artists", ())
    )


def album_of(recording: Recording) -> str:
    """Return the title of the only release group; empty if there are none or several titles."""
    groups: Iterable[Mapping[str, Any]] = recording.get("releasegroups", ())
    titles = {str(each["title"]) for each in groups if each.get("title")}
    return titles.pop() if len(titles) == 1 else ""
