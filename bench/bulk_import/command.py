"""``acoustid bench import``: data files, and JSON lines of another catalogue."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import sqlalchemy as sa

from bench.bulk_import.data_set import write_data_set
from bench.bulk_import.runs import Run, run_command
from bench.catalogue.content import BenchCatalogue
from bench.options import output_option, progress, write_report
from bench.stack.checkouts import Checkout
from bench.stack.launch import RunningStack, StackOptions, data_directory, launch_stack
from bench.stack.plan import fingerprints_option, seed_option
from bench.submit.import_run import MAX_WRONG
from bench.submit.submissions import (
    SubmissionSource,
    SyntheticSubmission,
    judge,
    newest_id,
    read_ids,
    read_tracks,
)
from cli.argument_checks import CheckedCommand
from cli.errors import StackError
from cli.stack.effective_settings import read_settings
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint.tables import import_progress
from pipeline.fingerprint_store import open_store
from pipeline.following.open_index import open_index
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings

REPORT_EVERY: Final = 100_000  # fingerprints
LAST_PART: Final = "index_and_store"


@click.command("import", cls=CheckedCommand)
@fingerprints_option
@click.option(
    "--lines",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    help="Number of JSON lines that are imported afterwards.",
)
@seed_option
@output_option
def import_bench(*, fingerprints: int, lines: int, seed: int, output: Path | None) -> None:
    """Measure imports of data files and of JSON lines, end to end, on a new stack."""
    catalogue = BenchCatalogue(fingerprints, seed)
    with data_directory(None) as data, scratch_folder() as folder:
        progress(f"writing data files of {fingerprints} fingerprints")
        write_data_set(catalogue, folder / "files", _tell_written)
        size = sum(each.stat().st_size for each in (folder / "files").rglob("*.gz"))
        options = StackOptions(workers=1)
        with launch_stack(data, options, Checkout.own(), progress) as stack:
            settings = read_settings(data.config, {})
            databases = Databases(settings, component="bench")
            try:
                figures = {
                    "shape": {"fingerprints": fingerprints, "seed": seed, "lines": lines},
                    "data_files": _measure_files(
                        stack, settings, databases, folder / "files", fingerprints
                    )
                    | {"megabytes": round(size / 1e6, 1)},
                    "jsonl": _measure_lines(stack, databases, catalogue, folder, lines),
                }
            finally:
                databases.dispose()
    write_report("import", figures, output)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Provide a folder that is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="acoustid-bench-files-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_copies(settings: Settings, databases: Databases, fingerprints: int) -> None:
    """Check that the index and the store have all fingerprints.

    Raises:
        StackError: one of them has not.
    """
    with databases.engine("fingerprint").connect() as connection:
        newest = newest_position(connection)
    with open_index(settings.fingerprint_index) as index:
        found = index.stats()
    store = open_store(settings.fingerprint_store.path)
    if found.documents != fingerprints:
        raise StackError(f"the index has {found.documents} of {fingerprints} fingerprints")
    behind = min(found.position, store.position())
    if behind < newest:
        raise StackError(f"the index or the store is at {behind}, the database at {newest}")


def _measure_files(
    stack: RunningStack,
    settings: Settings,
    databases: Databases,
    folder: Path,
    fingerprints: int,
) -> dict[str, Any]:
    progress("data files: importing")
    run = run_command(stack.data, "import", str(folder))
    check_copies(settings, databases, fingerprints)
    figures = run.figures(fingerprints, "fingerprints")
    progress(f"data files: {figures['fingerprints_per_second']} fingerprints per second")
    return figures | {"seconds_by_part": _parts(run, databases)}


def _parts(run: Run, databases: Databases) -> dict[str, float]:
    """Return the seconds until the last file of each table was finished, and those of the rest.

    The first part contains the start of the command and the checksums. Parsing and copying of a
    table run at the same time.
    """
    columns = (import_progress.c.file, sa.extract("epoch", import_progress.c.finished))
    with databases.engine("fingerprint").connect() as connection:
        rows = connection.execute(sa.select(*columns)).all()
    ends: dict[str, float] = {}
    for file, finished in rows:
        table = file.rsplit("/", 1)[-1].split(".")[0][len("2020-01-01-") :]
        ends[table] = max(ends.get(table, 0.0), float(finished))
    parts, last = {}, run.started
    for table, end in sorted(ends.items(), key=lambda item: item[1]):
        parts[table] = round(end - last, 1)
        last = end
    return parts | {LAST_PART: round(run.ended - last, 1)}


def _measure_lines(
    stack: RunningStack,
    databases: Databases,
    catalogue: BenchCatalogue,
    folder: Path,
    count: int,
) -> dict[str, Any]:
    """Import JSON lines, of which half are known recordings or copies of earlier lines."""
    if not count:
        return {}
    before = newest_id(databases)
    submissions = SubmissionSource(catalogue, before).create(count)
    path = folder / "lines.jsonl"
    path.write_text("".join(json.dumps(each.form) + "\n" for each in submissions))
    progress("JSON lines: importing")
    run = run_command(stack.data, "import", "--format", "jsonl", str(path))
    figures = run.figures(count, "lines")
    progress(f"JSON lines: {figures['lines_per_second']} lines per second")
    return figures | {"checks": _check_lines(submissions, databases, before, catalogue)}


def _check_lines(
    submissions: Sequence[SyntheticSubmission],
    databases: Databases,
    before: int,
    catalogue: BenchCatalogue,
) -> dict[str, int]:
    """Return the number of each verdict; see `judge`.

    Raises:
        StackError: more than `MAX_WRONG` of the lines are not on the right track.
    """
    received = read_ids(databases, before)
    ids = [received.get(each.gid(), 0) for each in submissions]
    last = catalogue.track(catalogue.fingerprints - 1) + 1
    verdicts = judge(submissions, ids, read_tracks(databases, before), known_tracks=last)
    if len(submissions) - verdicts["right"] > MAX_WRONG * len(submissions):
        raise StackError(f"lines are on wrong tracks: {verdicts}")
    return verdicts


def _tell_written(count: int) -> None:
    if count % REPORT_EVERY == 0:
        progress(f"wrote {count} fingerprints")
