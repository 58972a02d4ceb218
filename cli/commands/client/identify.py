"""``acoustid identify``: looks up audio files. Chromaprint's fpcalc computes the fingerprints."""

from functools import partial
from pathlib import Path

import click

from cli.commands.client import http_client as web
from cli.commands.client.audio import result_formats
from cli.commands.client.audio.file_report import FileReport
from cli.commands.client.audio.file_walk import find_audio_files
from cli.commands.client.audio.identification import Identified, identify_files
from cli.commands.client.audio.parallel_files import jobs_option
from cli.commands.client.audio.tags.tag_writing import TagOptions, TagWriter, tag_options
from cli.commands.client.entries.search_mode import SearchMode, mode_options
from cli.commands.client.messages import progress_bar
from cli.commands.client.meta_option import META_WORDS_TYPE
from cli.commands.client.name_requests import NAMES, NAMES_AND_ALBUMS
from cli.file_name import FileName


@click.command()
@click.argument("files", nargs=-1, required=True, type=FileName())
@click.option(
    "--meta",
    type=META_WORDS_TYPE,
    help="Metadata of each result.  [default: the names that the output contains]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a row for each recording found.")
@mode_options
@jobs_option
@tag_options
@web.options
def identify(  # noqa: PLR0913 - one argument per option
    *,
    files: tuple[Path, ...],
    meta: str | None,
    as_json: bool,
    as_csv: bool,
    excerpt: bool,
    second_chance: bool,
    jobs: int,
    write_tags: bool,
    dry_run: bool,
    yes: bool,
    replace: bool,
    min_score: float,
    server: str | None,
    application: str | None,
    data_dir: Path,
) -> None:
    """Identify audio FILES by their fingerprints.

    For a directory, all audio files below it are identified. A file that cannot be read does not
    end the command: it is named on standard error, and the exit status is 4, or 1 if no file could
    be identified. Titles and artists come from MusicBrainz, or from submitted tags if the recording
    has no MBID.

    --excerpt finds recordings of which a file is a part, such as some seconds of a broadcast, and
    prints where it begins in the recording. The first 120 s of a file are used. --second-chance
    does the same for files that the public algorithm does not find.

    --write-tags writes title, artist, album, MBID and AcoustID to the files. It needs a score of
    --min-score and a single matching recording. Tags that have a value are kept unless --replace is
    given.
    """
    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both")
    if meta is not None and (as_csv or write_tags):
        raise click.UsageError("--csv and --write-tags choose the metadata: leave out --meta")
    mode = SearchMode(excerpt=excerpt, second_chance=second_chance)
    if excerpt and write_tags:
        raise click.UsageError("--write-tags is for whole recordings: leave out --excerpt")
    options = TagOptions(dry_run, yes, replace, min_score)
    options.check(write=write_tags)
    client = web.connect(server, application, data_dir)
    names = NAMES_AND_ALBUMS if as_json or as_csv or write_tags else NAMES
    report = FileReport()
    writer = TagWriter(options, report, to_stderr=as_json or as_csv) if write_tags else None
    show = _format(mode, as_json=as_json, as_csv=as_csv)
    found = find_audio_files(files, report.refuse)
    with (
        web.named_errors(client),
        progress_bar("files", total=len(found), leave=False) as bar,
    ):
        for file in identify_files(client, found, jobs, meta, names, mode):
            show(file)
            _count(file, report, writer)
            bar.update()
    if writer is not None:
        writer.finish()
    report.exit_if_refused()


def _format(mode: SearchMode, *, as_json: bool, as_csv: bool) -> result_formats.Show:
    """Return the function that prints a file; print the header of a table."""
    if as_csv:
        result_formats.show_csv_header(mode)
        return partial(result_formats.show_csv, mode=mode)
    return result_formats.show_json if as_json else partial(result_formats.show_text, mode=mode)


def _count(file: Identified, report: FileReport, writer: TagWriter | None) -> None:
    """Count a file, name it if it has an error, and plan the changes of its tags."""
    if file.error is not None:
        report.refuse(file.path, file.error)
        return
    report.done += 1
    if writer is not None:
        writer.plan(file)
