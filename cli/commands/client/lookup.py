"""``acoustid lookup``: looks up one fingerprint or a file of fingerprints."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.commands.client import http_client as web
from cli.commands.client.audio.file_walk import names_audio
from cli.commands.client.audio_seconds import AUDIO_SECONDS
from cli.commands.client.entries.batches import Answer, cut_batches, post_batch
from cli.commands.client.entries.entry import Entry, Item
from cli.commands.client.entries.search_mode import WHOLE, SearchMode, mode_options
from cli.commands.client.http_client import Client
from cli.commands.client.lines.input import (
    STANDARD_INPUT,
    find_input,
    names_fingerprint,
    no_such_input,
)
from cli.commands.client.lines.json_line import read_entries
from cli.commands.client.lookup_results import (
    BATCH,
    Results,
    describe,
    describe_best,
    results_by_position,
    results_of,
    tell_partial,
    tell_partial_reply,
)
from cli.commands.client.messages import print_result, progress_bar, tell_refused
from cli.commands.client.meta_option import META_WORDS_TYPE
from cli.commands.client.name_requests import NAMES, add_missing_names
from cli.errors import StackError, exit_if_refused
from cli.file_name import InputName
from cli.printable import printable, printable_path


@dataclass(frozen=True, slots=True)
class LineResult:
    """The answer to one line.

    Attributes:
        item: the line.
        results: its results, best first; None if it was refused.
        reason: why it was refused.
    """

    item: Item
    results: Results | None
    reason: str = ""


@click.command()
@click.argument("fingerprint", type=InputName(), metavar="FILE|-|FINGERPRINT")
@click.option(
    "--duration",
    type=AUDIO_SECONDS,
    help="Seconds of audio; required for a single fingerprint without --excerpt.",
)
@click.option(
    "--meta",
    type=META_WORDS_TYPE,
    help="Metadata of each result.  [default: titles and artists, also those of submitted tags]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@mode_options
@web.options
def lookup(  # noqa: PLR0913 - one argument per option
    *,
    fingerprint: str,
    duration: int | None,
    meta: str | None,
    as_json: bool,
    excerpt: bool,
    second_chance: bool,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Look up each line of a FILE, or one FINGERPRINT.

    FILE has one JSON object per line, plain or compressed with gzip; - is standard input. A line
    has `fingerprint` and `duration`; other fields are ignored, and blank lines are left out. For
    each line of the file one line is printed, in the same order: the best result, or with --json an
    object with the number `line` and either `results` or `error`.

    --excerpt finds recordings of which the fingerprints are a part, and prints where they begin in
    the recording; `duration` is optional then. --second-chance does the same for fingerprints that
    the public algorithm does not find.

    Each line that is refused is named on standard error with its reason. The others are looked up,
    and the exit status is 4.
    """
    mode = SearchMode(excerpt=excerpt, second_chance=second_chance)
    if names_audio(fingerprint):
        raise StackError(
            f"{printable_path(Path(fingerprint))} is {_kind_of_audio(fingerprint)}: use `acoustid "
            "identify`, which computes fingerprints"
        )
    path = find_input(fingerprint)
    is_file = path is not None or fingerprint == STANDARD_INPUT
    if not is_file and duration is None and not (excerpt and names_fingerprint(fingerprint)):
        raise no_such_input(fingerprint)
    client = web.connect(server, application, data_dir)
    with web.named_errors(client):
        if is_file:
            _look_up_file(client, path, meta, mode, as_json=as_json)
        else:
            answer = look_up(client, fingerprint, duration, meta, mode)
            shown = json.dumps(answer, indent=2) if as_json else describe(answer["results"], mode)
            click.echo(shown)


def _kind_of_audio(argument: str) -> str:
    return "a directory" if Path(argument).is_dir() else "an audio file, not a fingerprint"


def _look_up_file(
    client: Client, path: Path | None, meta: str | None, mode: SearchMode, *, as_json: bool
) -> None:
    refused = count = 0
    for found in look_up_all(client, read_entries(path), meta, mode):
        count += 1
        print_result(_as_json(found) if as_json else summary(found))
        if found.results is None:
            refused += 1
            tell_refused(found.item.name, found.reason)
    exit_if_refused(count - refused, refused, "all lines were refused")


def look_up(
    client: Client,
    fingerprint: str,
    duration: int | None,
    meta: str | None,
    mode: SearchMode = WHOLE,
) -> dict[str, Any]:
    """Return the reply to one lookup. Without `meta` its results are completed with names.

    Raises:
        StackError: the server refuses it, is unreachable, or replies something else.
    """
    words = NAMES if meta is None else meta
    form = [("meta", words), ("fingerprint", fingerprint), *mode.form]
    if duration is not None:
        form.append(("duration", str(duration)))
    reply = client.post("/v2/lookup", form)
    results = results_of(reply)
    tell_partial_reply(reply)
    if meta is None:
        add_missing_names(client, [results], NAMES)
    return {**reply, "results": results}


def look_up_all(
    client: Client, items: Iterable[Item], meta: str | None, mode: SearchMode = WHOLE
) -> Iterator[LineResult]:
    """Yield the answer to each line in order, with a progress bar.

    Args:
        client: the server and the key.
        items: the lines. Another thread iterates over them. They may come slowly: a batch that is
            not full is sent after a second.
        meta: the metadata of each result; None for the names.
        mode: what the fingerprints are.

    Raises:
        StackError: the server refuses a request as a whole, or is unreachable.
    """
    common = [("meta", NAMES if meta is None else meta), ("batch", "1"), *mode.form]
    with (
        progress_bar("lookups") as bar,
        closing(cut_batches(items, mode.pairs_of, BATCH)) as batches,
    ):
        for batch in batches:
            for answer in post_batch(client, "/v2/lookup", common, batch):
                found = results_by_position(answer)
                tell_partial(answer)
                if meta is None:
                    add_missing_names(client, found.values(), NAMES)
                yield from _line_results(answer, found)
                bar.update(len(answer.items))


def _line_results(answer: Answer, found: Mapping[int, Results]) -> Iterator[LineResult]:
    for item in answer.items:
        if item.position in found:
            yield LineResult(item, found[item.position])
        else:
            yield LineResult(item, None, answer.reason_of(item))


def _as_json(found: LineResult) -> str:
    """Return one line of JSON; `docs/commands.md` describes it."""
    shown: dict[str, Any] = {"line": found.item.position}
    if isinstance(found.item, Entry) and "id" in found.item.fields:
        shown["id"] = found.item.fields["id"]
    if found.results is None:
        shown["error"] = found.reason
    else:
        shown["results"] = found.results
    return json.dumps(shown)


def summary(found: LineResult) -> str:
    """Return one line of text with the best result of a line."""
    fields = found.item.fields if isinstance(found.item, Entry) else {}
    name = next(
        (fields[each] for each in ("id", "track") if fields.get(each) not in (None, "")), None
    )
    if name is None:
        fingerprint = fields.get("fingerprint")
        name = f"{fingerprint[:16]}…" if isinstance(fingerprint, str) else found.item.name
    return (
        f"{printable(name)}\t{'refused' if found.results is None else describe_best(found.results)}"
    )
