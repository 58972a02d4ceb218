"""``acoustid submit``: submits fingerprints with metadata, and waits for their final states."""

import time
from collections import Counter
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
from pipeline.submission_fields import SUBMISSION_FIELDS

BATCH: Final = 50  # submissions in one request, well below its limit of 1 MiB
POLL: Final = 0.5  # seconds
PROGRESS_TIMEOUT: Final = 120.0  # seconds without any progress

# Fields of a line, and the parameters of the service.
PARAMETERS: Final[Mapping[str, str]] = {
    "format": "fileformat",
    **{field.parameter: field.parameter for field in SUBMISSION_FIELDS},
}


@click.command()
@click.argument("fingerprint")
@click.option("--user", help="User key.  [default: the demo key]")
@click.option(
    "--duration", type=AUDIO_SECONDS, help="Seconds of audio; required for a single fingerprint."
)
@click.option("--mbid", multiple=True, help="MBID of the recording; may be repeated.")
@click.option("--track", help="Title of the recording.")
@click.option("--artist", help="Artist of the recording.")
@click.option("--album", help="Album of the recording.")
@click.option("--wait/--no-wait", default=True, help="Wait for the final states (default).")
@web.options
def submit(  # noqa: PLR0913 - one argument per option
    *,
    fingerprint: str,
    user: str | None,
    duration: int | None,
    mbid: tuple[str, ...],
    track: str | None,
    artist: str | None,
    album: str | None,
    wait: bool,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Submit a FINGERPRINT or each line of a file.

    FINGERPRINT is the text of a fingerprint, or the path of a JSON-lines file. A line has
    `fingerprint`, `duration` and metadata: `mbid` (a text or a list), `track`, `artist`, `album`,
    `albumartist`, `trackno`, `discno`, `year`, `puid`, `foreignid`, `bitrate`, `format`. Other
    fields are ignored. For each line that the server leaves out, the reason is printed to standard
    error.
    """
    client = web.connect(server, application, data_dir, user)
    if client.user is None:
        raise StackError("no user key: give one with --user")
    path = Path(fingerprint)
    if len(fingerprint) < 256 and path.is_file():
        lines = web.read_lines(path)
        ids = submit_all(client, lines)
        click.echo(f"{len(ids)} submissions received, of {len(lines)} lines")
    elif duration is None:
        raise StackError("a single fingerprint needs the length of its audio: give --duration")
    else:
        line = {"fingerprint": fingerprint, "duration": duration, "mbid": list(mbid)}
        ids = submit_one(client, line | {"track": track, "artist": artist, "album": album})
        click.echo(f"{len(ids)} submissions received")
    if wait and ids:
        report(wait_for(client, ids))


def submit_one(client: Client, line: Mapping[str, Any]) -> list[int]:
    """Submit one fingerprint. Return the ids of its submissions.

    Raises:
        StackError: the server refuses it, for example because it has no metadata.
    """
    reply = client.post("/v2/submit", [("user", client.user or ""), *parameters(line)])
    for each in reply.get("skipped", ()):
        raise StackError(f"the fingerprint was not submitted: {each['error']['message']}")
    return [each["id"] for each in reply["submissions"]]


def submit_all(client: Client, lines: Sequence[dict[str, Any]]) -> list[int]:
    """Submit lines in batches, with a progress bar. Return the submission ids.

    The reason of each line that the server leaves out is printed to standard error.

    Raises:
        StackError: the server leaves out all lines, refuses the requests, or is unreachable.
    """
    ids: list[int] = []
    common = [("user", client.user or "")]
    with tqdm(total=len(lines), unit=" sent", disable=None) as bar:
        for start in range(0, len(lines), BATCH):
            batch = enumerate(lines[start : start + BATCH], start + 1)
            forms = {number: list(parameters(entry)) for number, entry in batch}
            answer = post_batch(client, "/v2/submit", common, forms)
            report_skipped(answer.skipped)
            ids += [each["id"] for reply in answer.replies for each in reply["submissions"]]
            bar.update(len(forms))
    if lines and not ids:
        raise StackError("the server left out all lines")
    return ids


def parameters(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a line, without unknown and empty fields."""
    for name, parameter in PARAMETERS.items():
        values = entry.get(name)
        for value in values if isinstance(values, list) else [values]:
            if value not in (None, ""):
                is_whole = isinstance(value, float) and value.is_integer()
                yield parameter, str(int(value)) if is_whole else str(value)


def wait_for(client: Client, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Wait, with a progress bar, until all submissions have a final state. Return them by id.

    Raises:
        StackError: no submission was finished for two minutes. They may still be imported later.
    """
    final: dict[int, dict[str, Any]] = {}
    progress_at = time.monotonic()
    with tqdm(total=len(ids), unit=" imported", disable=None) as bar:
        while len(final) < len(ids):
            waiting = [each for each in ids if each not in final][:BATCH]
            answer = client.post("/v2/submission_status", [("id", str(each)) for each in waiting])
            done = [each for each in answer["submissions"] if each["status"] != "pending"]
            final |= {each["id"]: each for each in done}
            bar.update(len(done))
            if done:
                progress_at = time.monotonic()
            elif time.monotonic() - progress_at > PROGRESS_TIMEOUT:
                raise StackError(f"{len(ids) - len(final)} submissions are still pending")
            else:
                time.sleep(POLL)
    return final


def report(final: Mapping[int, Mapping[str, Any]]) -> None:
    """Print the number of submissions by state, and the reasons of those not imported."""
    for state, count in sorted(Counter(each["status"] for each in final.values()).items()):
        click.echo(f"{count} {state}")
    for number, each in sorted(final.items()):
        if each.get("reason"):
            click.echo(f"submission {number}: {each['status']}: {each['reason']}")
