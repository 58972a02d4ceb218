"""Chooses the recording whose names are written to a file, if the lookup leaves no doubt."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.commands.client.audio.tags import tag_names
from cli.commands.client.lookup_results import Result
from cli.commands.client.recording_names import Recording, album_of, artist_of

MIN_SCORE: Final = 0.8
"""The default of the lowest score of a result whose names are written."""


class NoChoiceError(Exception):
    """The results do not tell which recording a file contains. The text is the reason."""


def choose_tags(results: Sequence[Result], min_score: float) -> Mapping[str, str]:
    """Return the values of the fields of `tag_names`, without those that are unknown.

    All results with the score or a higher one must agree on one recording. Recordings of another
    length do not count. Submitted texts count if no result has an MBID.

    Args:
        results: the results of a lookup, the highest score first.
        min_score: the lowest score.

    Raises:
        NoChoiceError: no result has the score, none has a name, or several recordings match.
    """
    if not results:
        raise NoChoiceError("no recording has this fingerprint")
    good = [each for each in results if each["score"] >= min_score]
    if not good:
        best = max(each["score"] for each in results)
        raise NoChoiceError(f"the best score is {best:.2f}, below {min_score:.2f}")
    candidates = [
        (result, recording)
        for result in good
        for recording in result.get("recordings", ())
        if not recording.get("duration_mismatch")
    ]
    linked = {each["id"]: (result, each) for result, each in reversed(candidates) if "id" in each}
    texts = {
        (each.get("title"), artist_of(each)): (result, each)
        for result, each in reversed(candidates)
        if "id" not in each and each.get("title")
    }
    found = linked or texts
    if not found:
        raise NoChoiceError("the server has no name for it")
    if len(found) > 1:
        raise NoChoiceError(f"{len(found)} recordings match it")
    [(result, recording)] = found.values()
    return _values(result, _named(recording, [each for _, each in texts.values()]))


def _named(recording: Recording, texts: Sequence[Recording]) -> Recording:
    """Return a recording; if MusicBrainz has no title of it, with the only submitted text."""
    if recording.get("title") or len(texts) != 1:
        return recording
    return {**texts[0], "id": recording["id"]}


def _values(result: Result, recording: Mapping[str, Any]) -> Mapping[str, str]:
    values = {
        tag_names.TITLE: recording.get("title"),
        tag_names.ARTIST: artist_of(recording),
        tag_names.ALBUM: album_of(recording),
        tag_names.RECORDING: recording.get("id"),
        tag_names.ACOUSTID: result["id"],
    }
    return {field: str(value) for field, value in values.items() if value}
