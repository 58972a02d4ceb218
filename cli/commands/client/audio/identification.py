"""Looks up the fingerprints of audio files, several in one request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.commands.client.audio import fpcalc
from cli.commands.client.audio.bad_file import BadFileError
from cli.commands.client.audio.file_items import file_items, fingerprint_fields
from cli.commands.client.entries.batches import cut_batches, post_batch
from cli.commands.client.entries.entry import Entry
from cli.commands.client.entries.search_mode import WHOLE, SearchMode
from cli.commands.client.http_client import Client
from cli.commands.client.lookup_results import (
    BATCH,
    Results,
    results_by_position,
    tell_partial,
)
from cli.commands.client.name_requests import add_missing_names

EXCERPT_TOO_SHORT: Final = "too short for an excerpt: about 5 s of music are needed"


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
    client: Client,
    files: Sequence[Path],
    jobs: int,
    meta: str | None,
    names: str,
    mode: SearchMode = WHOLE,
) -> Iterator[Identified]:
    """Yield the results of files, in their order.

    Args:
        client: the server and the keys.
        files: the audio files.
        jobs: number of files whose fingerprints are computed in parallel.
        meta: the words of `meta` of the user's choice. The results are those of the reply.
        names: the words of `meta` without a choice of the user. Names that the reply lacks are
            read with further requests.
        mode: what the files are.

    Raises:
        StackError: fpcalc is not installed, the server refuses a request, or is unreachable.
    """
    program = fpcalc.find_fpcalc()

    def fields(file: Path) -> dict[str, Any]:
        try:
            return fingerprint_fields(fpcalc.calculate(file, program))
        except fpcalc.TooShortError as error:
            raise BadFileError(EXCERPT_TOO_SHORT if mode.excerpt else error.message) from error

    items = file_items(files, fields, jobs)
    common = [("meta", names if meta is None else meta), ("batch", "1"), *mode.form]
    for batch in cut_batches(items, mode.pairs_of, BATCH):
        for answer in post_batch(client, "/v2/lookup", common, batch):
            found = results_by_position(answer)
            tell_partial(answer)
            if meta is None:
                add_missing_names(client, found.values(), names)
            for item in answer.items:
                path = files[item.position - 1]
                duration = item.fields["duration"] if isinstance(item, Entry) else None
                if item.position in found:
                    yield Identified(path, duration, found[item.position])
                else:
                    yield Identified(path, duration, [], answer.reason_of(item))
