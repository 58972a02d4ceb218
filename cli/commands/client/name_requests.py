"""Requests for names: the words of `meta` for them, and the names that a reply lacks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cli.commands.client.http_client import Client, index_of, list_of
from cli.commands.client.lookup_results import Result, Results, results_of

MAX_TRACKS: Final = 100  # track ids in one request, the limit of the service

NAMES: Final = "recordings usermeta"
"""The `meta` of an output with titles and artists."""

NAMES_AND_ALBUMS: Final = "recordings releasegroups usermeta compress"
"""The `meta` of an output with titles, artists and albums."""


def add_missing_names(client: Client, found: Iterable[Results], names: str) -> None:
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
    hides_texts = any("title" in each for result in results for each in _linked_recordings(result))
    if hides_texts:
        _read_recordings(client, unlinked, names)
    if hides_texts or names != NAMES:
        _read_recordings(client, linked, NAMES)
    left = [each for each in linked if not _has_name(each)]
    if len(left) < len(linked):  # the titles of this request have hidden texts again
        _read_recordings(client, left, NAMES)


def _read_recordings(client: Client, results: Sequence[Result], meta: str) -> None:
    """Replace the recordings of results by those that the service returns for their tracks."""
    ids = list(dict.fromkeys(str(each["id"]) for each in results))
    recordings: dict[str, Any] = {}
    for start in range(0, len(ids), MAX_TRACKS):
        part = ids[start : start + MAX_TRACKS]
        tracks = [(f"trackid.{number}", track) for number, track in enumerate(part)]
        reply = client.post("/v2/lookup", [("meta", meta), ("batch", "1"), *tracks])
        for each in list_of(reply, "fingerprints"):
            for result in results_of(each)[:1]:
                if result.get("recordings") and index_of(each) < len(part):
                    recordings[part[index_of(each)]] = result["recordings"]
    for each in results:
        if each["id"] in recordings:
            each["recordings"] = recordings[each["id"]]


def _has_name(result: Result) -> bool:
    return any(each.get("title") for each in result.get("recordings", ()))


def _linked_recordings(result: Result) -> Iterator[Mapping[str, Any]]:
    return (each for each in result.get("recordings", ()) if "id" in each)
