"""Looks up the fingerprints of audio files, several in one request, and completes their names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.commands.client.audio import fpcalc
from cli.commands.client.audio.file_items import file_items, fingerprint_fields
from cli.commands.client.entries.batches import cut_batches, post_batch
from cli.commands.client.entries.entry import Entry, lookup_pairs
from cli.commands.client.http_client import Client, index_of, list_of
from cli.commands.client.lookup_results import (
    BATCH,
    Results,
    results_by_position,
    results_of,
)

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
    results: Results
    error: str | None = None


def identify_files(
    client: Client, files: Sequence[Path], jobs: int, meta: str | None, names: str
) -> Iterator[Identified]:
    """Yield the results of files, in their order.

    Args:
        client: the server and the keys.
        files: the audio files.
        jobs: number of files whose fingerprints are computed in parallel.
        meta: the words of `meta` of the user's choice. The results are those of the reply.
        names: the words of `meta` without a choice of the user. Names that the reply lacks are
            read with further requests.

    Raises:
        StackError: fpcalc is not installed, the server refuses a request, or is unreachable.
    """
    program = fpcalc.find_fpcalc()

    def fields(file: Path) -> dict[str, Any]:
        return fingerprint_fields(fpcalc.calculate(file, program))

    items = file_items(files, fields, jobs)
    common = [("meta", meta or names), ("batch", "1")]
    for batch in cut_batches(items, lookup_pairs, BATCH):
        for answer in post_batch(client, "/v2/lookup", common, batch):
            found = results_by_position(answer)
            if meta is None:
                add_missing_names(client, found.values(), names)
            for item in answer.items:
                path = files[item.position - 1]
                duration = item.fields["duration"] if isinstance(item, Entry) else None
                if item.position in found:
                    yield Identified(path, duration, found[item.position])
                else:
                    yield Identified(path, duration, [], answer.reason_of(item))


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
        tracks = [(f"trackid.{number}", track) for number, track in enumerate(part)]
        reply = client.post("/v2/lookup", [("meta", meta), ("batch", "1"), *tracks])
        for each in list_of(reply, "fingerprints"):
            for result in results_of(each)[:1]:
                if result.get("recordings"):
                    recordings[part[index_of(each)]] = result["recordings"]
    for each in results:
        if each["id"] in recordings:
            each["recordings"] = recordings[each["id"]]


def _has_name(result: Result) -> bool:
    return any(each.get("title") for each in result.get("recordings", ()))


def _linked_recordings(result: Result) -> Iterator[Mapping[str, Any]]:
    return (each for each in result.get("recordings", ()) if "id" in each)
