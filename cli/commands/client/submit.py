"""``acoustid submit``: submits fingerprints with metadata, and waits for their final states."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.commands.client import http_client as web
from cli.commands.client.audio.file_walk import names_audio
from cli.commands.client.audio.parallel_files import jobs_option
from cli.commands.client.audio.submission_entries import submission_items
from cli.commands.client.audio_seconds import AUDIO_SECONDS
from cli.commands.client.entries.entry import Entry, IsDone, Item
from cli.commands.client.http_client import Client
from cli.commands.client.lines.input import (
    STANDARD_INPUT,
    find_input,
    names_lines,
    no_such_input,
)
from cli.commands.client.lines.json_line import read_entries
from cli.commands.client.messages import counted, tell
from cli.commands.client.submissions.final_states import IMPORTED, report, wait_for
from cli.commands.client.submissions.journal import Journal
from cli.commands.client.submissions.sending import submit_entries
from cli.errors import StackError, exit_if_refused
from cli.file_name import FileName, InputName


@click.command()
@click.argument(
    "inputs",
    nargs=-1,
    required=True,
    type=InputName(),
    metavar="DIRECTORY|AUDIO...|FILE|-|FINGERPRINT",
)
@click.option("--user", help="User key.  [default: the demo key]")
@click.option(
    "--duration", type=AUDIO_SECONDS, help="Seconds of audio; required for a single fingerprint."
)
@click.option("--mbid", multiple=True, help="MBID of the recording; may be repeated.")
@click.option("--track", help="Title of the recording.")
@click.option("--artist", help="Artist of the recording.")
@click.option("--album", help="Album of the recording.")
@click.option("--wait/--no-wait", default=True, help="Wait for the final states (default).")
@click.option(
    "--resume",
    type=FileName(dir_okay=False),
    help="File that records what is done. A second run with it goes on there.",
)
@click.option(
    "--full", is_flag=True, help="Fingerprint all of each audio file, not its first 120 s."
)
@jobs_option
@web.options
def submit(  # noqa: PLR0913 - one argument per option
    *,
    inputs: tuple[str, ...],
    user: str | None,
    duration: int | None,
    mbid: tuple[str, ...],
    track: str | None,
    artist: str | None,
    album: str | None,
    wait: bool,
    resume: Path | None,
    full: bool,
    jobs: int,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Submit AUDIO files, each line of a FILE, or one FINGERPRINT.

    The fingerprints of AUDIO files and of those below a DIRECTORY are computed with fpcalc, and
    submitted with the MBIDs and the metadata in their tags. A file with neither an MBID nor a title
    is refused. For a single file, --mbid, --track, --artist and --album replace its tags.

    With --full, excerpts of all parts of a recording are found, not only of its first 120 s.

    FILE has one JSON object per line, plain or compressed with gzip; - is standard input. A line
    has `fingerprint`, `duration` and metadata: `mbid` (a text or a list), `track`, `artist`,
    `album`, `albumartist`, `trackno`, `discno`, `year`, `puid`, `foreignid`, `bitrate`, `format`.
    Other fields are ignored, and blank lines are left out.

    Each line or file that is refused is named on standard error with its reason. The others are
    submitted, and the exit status is 4.
    """
    tags = {"mbid": list(mbid), "track": track, "artist": artist, "album": album}
    source = _source(inputs, duration, tags, jobs, full=full)
    client = web.connect(server, application, data_dir, user)
    place = web.place_of(client, server, data_dir)
    with web.named_errors(client), Journal.open(resume, source.name, place) as journal:
        items, total = source.items(journal.is_done)
        submit_and_report(client, items, journal, kind=source.kind, total=total, wait=wait)


@dataclass(frozen=True, slots=True)
class _Source:
    """The source of the entries of a run.

    Attributes:
        name: its name in the journal.
        kind: how its entries are named in the plural.
        items: returns the entries that are not done yet, and the number of all if it is known.
    """

    name: str
    kind: str
    items: Callable[[IsDone], tuple[Iterable[Item], int | None]]


def _source(
    inputs: Sequence[str],
    duration: int | None,
    tags: Mapping[str, Any],
    jobs: int,
    *,
    full: bool,
) -> _Source:
    """Return the source that the arguments name: audio files, JSON lines or one fingerprint.

    Raises:
        click.UsageError: tags are given for several files, one of several is a file of lines, or
            `full` is given without audio files.
        StackError: the argument is neither a file nor a fingerprint with a duration.
    """
    if len(inputs) > 1 and any(map(names_lines, inputs)):
        raise click.UsageError("one file of lines at a time: give each one alone")
    if len(inputs) > 1 or names_audio(inputs[0]):
        chosen = {name: value for name, value in tags.items() if value}
        if chosen and (len(inputs) > 1 or Path(inputs[0]).is_dir()):
            raise click.UsageError("--mbid, --track, --artist and --album describe a single file")
        paths = [Path(each) for each in inputs]
        return _Source(
            "audio files",
            "files",
            lambda is_done: submission_items(paths, jobs, is_done, chosen, full=full),
        )
    if full:
        raise click.UsageError(
            "--full is for audio files; lines may have fingerprints of any length (fpcalc -length "
            "0)"
        )
    [text] = inputs
    path = find_input(text)
    if path is not None or text == STANDARD_INPUT:
        name = str(path or "standard input")
        return _Source(name, "lines", lambda is_done: (read_entries(path, is_done), None))
    if duration is None:
        raise no_such_input(text)
    fields = {"fingerprint": text, "duration": duration, **tags}
    entry = Entry(1, "the fingerprint", text.encode(errors="replace"), fields)
    return _Source(
        entry.name,
        "fingerprints",
        lambda is_done: ([] if is_done(entry.position, entry.identity) else [entry], 1),
    )


def submit_and_report(
    client: Client,
    items: Iterable[Item],
    journal: Journal,
    *,
    kind: str,
    total: int | None,
    wait: bool,
) -> None:
    """Submit entries, print how many were accepted, and how the submissions ended.

    The command ends with the status 4 if some entries were refused, or some submissions were not
    imported. What an earlier run with the same journal has done counts as well.

    Args:
        client: the server, the application key and the user key.
        items: the entries that are not done yet, as for `submit_entries`.
        journal: an open journal.
        kind: how the entries are named in the plural.
        total: the number of all entries, if it is known.
        wait: whether to wait for the final states.

    Raises:
        StackError: no entry was accepted, no submission was imported, or the server does not
            receive them.
    """
    if client.user is None:
        raise StackError("no user key: give one with --user")
    if journal.goes_on:
        tell(f"goes on after {journal.last}")
    if journal.refused:
        was = "was" if journal.refused == 1 else "were"
        tell(f"{counted(journal.refused, kind)} {was} refused in an earlier run")
    submit_entries(client, items, journal, kind=kind, total=total)
    count = journal.accepted + journal.refused
    received = counted(len(journal.submissions), "submissions")
    click.echo(f"{received} received, of {counted(count, kind)}")
    if not (wait and journal.submissions):
        exit_if_refused(journal.accepted, journal.refused, f"all {kind} were refused")
        return
    final = wait_for(client, journal.submissions)
    report(final)
    imported = sum(each.state == IMPORTED for each in final.values())
    not_imported = len(final) - imported
    exit_if_refused(imported, journal.refused + not_imported, "no submission was imported")
