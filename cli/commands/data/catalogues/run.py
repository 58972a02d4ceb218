"""Imports another catalogue beside a running stack: `acoustid import --format`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from cli.commands.client.entries.read_ahead import ReadAhead
from cli.commands.client.messages import counted, progress_bar, tell
from cli.commands.data.catalogues.audio_files import audio_steps
from cli.commands.data.catalogues.batch import Batch, CheckedStep, check_step
from cli.commands.data.catalogues.line_files import examine, find_files
from cli.commands.data.catalogues.steps import Format, SourceError, Step, stored_path
from cli.error_messages import explain
from cli.errors import StackError, exit_if_refused
from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.run import check_schemas, only_import
from pipeline.bulk_import.rejects import BadLineError, OnError, Rejects
from pipeline.bulk_import.submissions import progress
from pipeline.bulk_import.submissions.progress import Submitter
from pipeline.bulk_import.submissions.receipt_writer import ReceiptWriter
from pipeline.bulk_import.submissions.submitter import UnknownKeyError, find_submitter
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.fingerprint_store import FingerprintStoreError
from pipeline.following.all_copies import open_copies
from pipeline.following.open_index import open_index
from pipeline.imports.persist import StaleMatchesError
from pipeline.imports.score import IndexBehindError
from pipeline.index import FingerprintIndexError
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.redis_state import catalogue_generation

FAULTS = (
    SQLAlchemyError,
    FingerprintIndexError,
    FingerprintStoreError,
    ForeignIndexError,
    IndexBehindError,
    StaleMatchesError,
    OSError,
)
"""Errors of the databases and of the copies, after which the next run goes on."""


@dataclass(frozen=True, slots=True)
class CatalogueOptions:
    """The options of an import of another catalogue.

    Attributes:
        on_error: what happens at a refused line or audio file.
        rejects: the file that gets the refused lines; None for no file.
        application: the key of the application of the submissions; None for that of imports.
        user: the key of their account; None for the owner of the application.
        jobs: audio files that are read in parallel.
        full: whether all of each audio file is fingerprinted, not its first 120 s.
    """

    on_error: OnError = "stop"
    rejects: Path | None = None
    application: str | None = None
    user: str | None = None
    jobs: int = 1
    full: bool = False


@dataclass(frozen=True, slots=True)
class _Input:
    """The steps of a run.

    Attributes:
        unit: what the progress bar counts, in the plural.
        total: their number, those of earlier runs included.
        done: the number of those that earlier runs have received, if it is known before.
        steps: the others.
    """

    unit: str
    total: int
    done: int
    steps: Iterator[Step]


def import_catalogue(
    kind: Format, source: Path, settings: Settings, options: CatalogueOptions
) -> None:
    """Import another catalogue; return when the index and the store have it.

    Prints how many lines were imported. The command ends with the status 4 if some were skipped.

    Args:
        kind: the format.
        source: a file or a folder.
        settings: the settings of a stack, whose databases are migrated.
        options: the options of the command.

    Raises:
        StackError: a line is refused and `on_error` is ``stop``, the input can't be used, another
            import runs, or a database or a copy can't be written.
    """
    databases = Databases(settings, component="import")
    try:
        check_schemas(databases, "app", "ingest", "fingerprint")
        with only_import(databases), Rejects(options.on_error, options.rejects, tell) as rejects:
            imported = _run(kind, source, settings, databases, options, rejects)
    except BadLineError as error:
        raise StackError(
            f"{error}\nThe import stopped there. Correct the line, or skip such lines with "
            "`--on-error skip`, and run the command again: it goes on"
        ) from error
    except (SourceError, UnknownKeyError, DataImportError) as error:
        raise StackError(str(error)) from error
    except FAULTS as error:
        raise StackError(
            f"the import stopped: {explain(error)}. Run the command again: it goes on"
        ) from error
    finally:
        databases.dispose()
    noun = "files" if kind == "audio" else "lines"
    skipped = f", {counted(rejects.count, noun)} skipped" if rejects.count else ""
    click.echo(f"{counted(imported, noun)} imported{skipped}")
    exit_if_refused(imported, rejects.count, f"all new {noun} were refused")


def _run(
    kind: Format,
    source: Path,
    settings: Settings,
    databases: Databases,
    options: CatalogueOptions,
    rejects: Rejects,
) -> int:
    """Import the input; return the number of imported lines or files."""
    with databases.engine("app").begin() as connection:
        submitter = find_submitter(connection, options.application, options.user)
    given = _open_input(kind, source, databases, submitter, options)
    with (
        open_index(settings.fingerprint_index) as reader,
        open_copies(settings, databases) as copies,
    ):
        index = TrustedIndex(lambda: reader, databases, logs_changes=False)
        writer = ReceiptWriter(databases, index, copies, submitter)
        writer.update_copies()
        if writer.import_rest():
            catalogue_generation.renew_at(settings.redis)
        renew = partial(catalogue_generation.renew_at, settings.redis)
        checked = (check_step(each, submitter) for each in given.steps)
        return _import_steps(given, checked, writer, rejects, renew)


def _open_input(
    kind: Format,
    source: Path,
    databases: Databases,
    submitter: Submitter,
    options: CatalogueOptions,
) -> _Input:
    with databases.engine("ingest").connect() as connection:
        if kind == "audio":
            folder = source if source.is_dir() else source.parent
            known = progress.finished_below(connection, submitter, stored_path(folder))
            steps, total = audio_steps(source, options.jobs, known, full=options.full)
            return _Input("files", total, 0, steps)
        files = [
            examine(
                path,
                kind,
                partial(progress.find, connection, submitter),
                partial(progress.find_copy, connection, submitter),
            )
            for path in find_files(source, kind)
        ]
    for file in files:
        if file.note:
            tell(f"{file.name}: {file.note}")
    total, done = sum(each.lines for each in files), sum(each.done for each in files)
    steps = chain.from_iterable(each.steps() for each in files)
    return _Input("lines", total, done, steps)


def _import_steps(
    given: _Input,
    steps: Iterator[CheckedStep],
    writer: ReceiptWriter,
    rejects: Rejects,
    renew: Callable[[], object],
) -> int:
    """Import steps in batches; return the number of imported entries.

    A thread reads and checks the input, while this one waits for the databases.
    """
    imported, batch = 0, Batch()
    with (
        progress_bar(given.unit, total=given.total, initial=given.done) as bar,
        ReadAhead(steps) as arriving,
    ):
        while isinstance(step := arriving.next(None), CheckedStep):
            batch.add(step)
            if batch.is_full():
                imported += _write(batch, writer, rejects)
                renew()
                bar.update(batch.lines)
                batch = Batch()
        imported += _write(batch, writer, rejects)
        renew()
        arriving.raise_error()
        bar.update(given.total - bar.n)
    return imported


def _write(batch: Batch, writer: ReceiptWriter, rejects: Rejects) -> int:
    """Name the refused lines of a batch, and import the others; return their number."""
    found = batch.sort()
    for line in found.refused:
        rejects.add(line)
    rejects.flush()
    writer.write(found.receipts, found.files)
    return found.entries
