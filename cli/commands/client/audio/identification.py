"""Looks up the fingerprints of audio files, several in one request, and completes their names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.fpcalc import Fingerprinted
from cli.commands.client.audio.parallel_files import Outcome
from cli.commands.client.batches import post_batch
from cli.commands.client.http_client import Client

BATCH: Final = 20  # fingerprints in one request, the limit of the service
MAX_TRACKS: Final = 100  # track ids in one request, the limit of the service

NAMES: Final = "recordings usermeta"
"""The `meta` of an output with titles and artists."""

NAMES_AND_ALBUMS: Final = "recordings releasegroups usermeta compress"
"""The `meta` of an output with titles, artists and albums."""

Result = dict[str, Any]
"""A result of ``/v2/lookup``."""


@dataclass(frozen=True, slots=True)
class Identified:
    """A file and the reply to its lookup.

    Attributes:
        path: the file.
        duration: the duration of the whole file in seconds; None if it could not be read.
        results: the results of ``/v2/lookup``, the highest score first.
        error: the reason why there are none; None if the lookup was answered.
    """

    path: Path
    duration: int | None
    results: list[Result]
    error: str | None = None


def identify_batch(
    client: Client, batch: Sequence[Outcome[Fingerprinted]], meta: str | None, names: str
) -> list[Identified]:
    """Look up a batch of files in one request. Return them in their order.

    Args:
        client: the server and the keys.
        batch: at most `BATCH` files.
        meta: the words of `meta` of the user's choice. The results are those of the reply.
        names: the words of `meta` without a choice of the user. Names that the reply lacks are
            read with further requests.

    Raises:
        StackError: the server refuses the request, or is unreachable.
    """
    forms = {number: _form(each.value) for number, each in enumerate(batch) if _is_read(each)}
    if not forms:
        return [_unread(each) for each in batch]
    common = [("meta", meta or names), ("batch", "1")]
    answer = post_batch(client, "/v2/lookup", common, forms)
    found = _by_index(answer.replies)
    if meta is None:
        add_missing_names(client, found.values(), names)
    return [
        _identified(each, found.get(number), answer.skipped.get(number))
        for number, each in enumerate(batch)
    ]


def add_missing_names(client: Client, found: Iterable[list[Result]], names: str) -> None:
    """Add names to the results that have none.

    The service returns submitted texts only if MusicBrainz has no recording of any track of the
    request. It omits the titles of recordings that are on no release if albums are requested.
    Requests with the ids of the tracks alone return both.

    Args:
        client: the server and the keys.
        found: the results of the lookups of one request; they are changed.
        names: the words of `meta` of this request.

    Raises:
        StackError: the server refuses the request, or is unreachable.
    """
    results = [result for each in found for result in each]
    nameless = [each for each in results if not _has_name(each)]
    if not nameless:
        return
    linked = [each for each in nameless if each.get("recordings")]
    unlinked = [each for each in nameless if not each.get("recordings")]
    if any("title" in recording for each in results for recording in _linked_recordings(each)):
        _read_recordings(client, unlinked, names)
    if names != NAMES:
        _read_recordings(client, linked, NAMES)


def _read_recordings(client: Client, results: Sequence[Result], meta: str) -> None:
    """Replace the recordings of results by those that the service returns for their tracks."""
    ids = list(dict.fromkeys(str(each["id"]) for each in results))
    recordings: dict[str, Any] = {}
    for start in range(0, len(ids), MAX_TRACKS):
        part = ids[start : start + MAX_TRACKS]
        forms = {number: [("trackid", track)] for number, track in enumerate(part)}
        answer = post_batch(client, "/v2/lookup", [("meta", meta), ("batch", "1")], forms)
        for number, tracks in _by_index(answer.replies).items():
            if tracks and tracks[0].get("recordings"):
                recordings[part[number]] = tracks[0]["recordings"]
    for each in results:
        if each["id"] in recordings:
            each["recordings"] = recordings[each["id"]]


def _has_name(result: Result) -> bool:
    return any(each.get("title") for each in result.get("recordings", ()))


def _linked_recordings(result: Result) -> Iterator[Mapping[str, Any]]:
    return (each for each in result.get("recordings", ()) if "id" in each)


def _by_index(replies: Iterable[Mapping[str, Any]]) -> dict[int, list[Result]]:
    return {
        int(each["index"]): each["results"] for reply in replies for each in reply["fingerprints"]
    }


def _is_read(outcome: Outcome[Fingerprinted]) -> bool:
    return not isinstance(outcome.value, BadFileError)


def _form(value: Fingerprinted | BadFileError) -> list[tuple[str, str]]:
    if isinstance(value, BadFileError):
        return []
    return [("duration", str(value.duration)), ("fingerprint", value.fingerprint)]


def _unread(outcome: Outcome[Fingerprinted]) -> Identified:
    return _identified(outcome, None, None)


def _identified(
    outcome: Outcome[Fingerprinted], results: list[Result] | None, skipped: str | None
) -> Identified:
    if isinstance(outcome.value, BadFileError):
        return Identified(outcome.path, None, [], outcome.value.message)
    error = skipped or "the reply has no results for it"
    if results is None:
        return Identified(outcome.path, outcome.value.duration, [], error)
    return Identified(outcome.path, outcome.value.duration, results)
