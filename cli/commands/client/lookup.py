"""``acoustid lookup``: looks up one fingerprint or a file of fingerprints."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click
from tqdm import tqdm

from cli.commands.client import http_client as web
from cli.commands.client.audio_seconds import AUDIO_SECONDS
from cli.commands.client.batches import post_batch, report_skipped
from cli.commands.client.http_client import Client
from cli.errors import StackError

BATCH: Final = 20  # fingerprints in one request, the limit of the service


@click.command()
@click.argument("fingerprint")
@click.option(
    "--duration", type=AUDIO_SECONDS, help="Seconds of audio; required for a single fingerprint."
)
@click.option("--meta", default="recordings", show_default=True, help="Metadata of each result.")
@click.option("--json", "as_json", is_flag=True, help="Print the reply as JSON.")
@web.options
def lookup(
    *,
    fingerprint: str,
    duration: int | None,
    meta: str,
    as_json: bool,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Look up a FINGERPRINT or each line of a file.

    FINGERPRINT is the text of a fingerprint, or the path of a JSON-lines file whose lines have
    `fingerprint` and `duration`. With --json, each printed line has the results of one line. Lines
    that the server leaves out have `null`; their reasons are printed to standard error.
    """
    client = web.connect(server, application, data_dir)
    path = Path(fingerprint)
    if len(fingerprint) < 256 and path.is_file():
        lines = web.read_lines(path)
        for entry, results in zip(lines, look_up_all(client, lines, meta), strict=True):
            click.echo(json.dumps(results) if as_json else summary(entry, results))
        return
    if duration is None:
        raise StackError("a single fingerprint needs the length of its audio: give --duration")
    answer = look_up(client, fingerprint, duration, meta)
    click.echo(json.dumps(answer, indent=2) if as_json else describe(answer["results"]))


def look_up(client: Client, fingerprint: str, duration: int, meta: str) -> dict[str, Any]:
    """Return the reply to one lookup."""
    form = [("meta", meta), ("duration", str(duration)), ("fingerprint", fingerprint)]
    return client.post("/v2/lookup", form)


def look_up_all(
    client: Client, lines: Sequence[dict[str, Any]], meta: str
) -> Iterator[list[dict[str, Any]] | None]:
    """Yield the results of each line in order; None for a line that the server leaves out.

    The reasons of the latter are printed to standard error.

    Raises:
        StackError: the server leaves out all lines, refuses the requests, or is unreachable.
    """
    common = [("meta", meta), ("batch", "1")]
    left_out = 0
    with tqdm(total=len(lines), unit=" lookups", disable=None) as bar:
        for start in range(0, len(lines), BATCH):
            batch = dict(enumerate(lines[start : start + BATCH], start + 1))
            forms = {number: _form(entry) for number, entry in batch.items()}
            answer = post_batch(client, "/v2/lookup", common, forms)
            report_skipped(answer.skipped)
            found = {
                int(each["index"]): each["results"]
                for reply in answer.replies
                for each in reply["fingerprints"]
            }
            yield from (found.get(number) for number in batch)
            left_out += len(batch) - len(found)
            bar.update(len(batch))
    if lines and left_out == len(lines):
        raise StackError("the server left out all lines")


def _form(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [("duration", str(entry["duration"])), ("fingerprint", str(entry["fingerprint"]))]


def summary(entry: dict[str, Any], results: list[dict[str, Any]] | None) -> str:
    """Return one line of text with the best result of a line; None means that it was left out."""
    name = entry.get("id") or entry.get("track") or entry["fingerprint"][:16] + "…"
    return f"{name}\t{'left out' if results is None else _best(results)}"


def describe(results: list[dict[str, Any]]) -> str:
    """Return the results of one lookup as text."""
    if not results:
        return "No recording has this fingerprint."
    lines: list[str] = []
    for result in results:
        lines.append(f"{result['score']:.2f}  track {result['id']}")
        lines += [f"      {_recording(each)}" for each in result.get("recordings", ())]
    return "\n".join(lines)


def _best(results: list[dict[str, Any]]) -> str:
    if not results:
        return "unknown"
    best = results[0]
    named = best.get("recordings", ())
    return f"{best['score']:.2f}  {_recording(named[0]) if named else 'track ' + best['id']}"


def _recording(recording: dict[str, Any]) -> str:
    """Return the artist, title and id of a recording. Missing ones are omitted."""
    artists = "".join(
        each if isinstance(each, str) else each["name"] + each.get("joinphrase", "")
        for each in recording.get("artists", ())
    )
    title = " - ".join(part for part in (artists, recording.get("title", "")) if part)
    identifier = f"recording {recording['id']}" if "id" in recording else "from tags"
    if recording.get("duration_mismatch"):
        identifier += ", of another length"
    return f"{title}  [{identifier}]" if title else identifier
