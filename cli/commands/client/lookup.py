"""``acoustid lookup``: looks up one fingerprint or a file of fingerprints."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from tqdm import tqdm

from cli.commands.client import http_client as web
from cli.commands.client.http_client import Client
from cli.errors import StackError

BATCH: Final = 20  # fingerprints in one request, the limit of the service


@click.command()
@click.argument("fingerprint")
@click.option("--duration", type=int, help="Seconds of audio; required for a single fingerprint.")
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
    `fingerprint` and `duration`. With --json, each printed line has the results of one line.
    """
    client = web.connect(server, application, data_dir)
    path = Path(fingerprint)
    if len(fingerprint) < 256 and path.is_file():
        lines = web.read_lines(path, ("fingerprint", "duration"))
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
    client: Client, lines: list[dict[str, Any]], meta: str
) -> Iterator[list[dict[str, Any]]]:
    """Yield the results of each line in order. An invalid fingerprint has no results."""
    with tqdm(total=len(lines), unit=" lookups", disable=None) as bar:
        for batch in _batches(lines):
            form = [("meta", meta), ("batch", "1")]
            for number, entry in enumerate(batch):
                form.append((f"duration.{number}", str(int(entry["duration"]))))
                form.append((f"fingerprint.{number}", entry["fingerprint"]))
            answer = client.post("/v2/lookup", form)
            found = {int(each["index"]): each["results"] for each in answer["fingerprints"]}
            yield from (found.get(number, []) for number in range(len(batch)))
            bar.update(len(batch))


def _batches(lines: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    return (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))


def summary(entry: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """Return one line of text with the best result of a line."""
    name = entry.get("id") or entry.get("track") or entry["fingerprint"][:16] + "…"
    return f"{name}\t{_best(results)}"


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
    return f"{title}  [{identifier}]" if title else identifier
