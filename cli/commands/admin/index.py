"""``acoustid index``: rebuilds, checks, serves and restores indexes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO, Final

import click
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli.argument_checks import CheckedCommand, CheckedGroup
from cli.commands.admin.index_serve import serve
from cli.commands.admin.stored_files import remedy, require_files
from cli.error_messages import explain
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from index_server.errors import IndexAlreadyExistsError, InvalidIndexNameError
from index_server.name_folder import FolderDamagedError
from index_server.offline import restore as restore_index
from index_server.offline import verify_below
from index_server.registry import NAME_RULE
from index_server.server import LOCK_NAME, DirectoryInUseError, exclusive
from index_server.snapshot_stream import SnapshotDamagedError
from index_server.state import StateDamagedError
from pipeline.catalog.fingerprint import changelog
from pipeline.catalog.fingerprint.changelog import ForeignIndexError
from pipeline.excerpts.sketch_folders import sketch_folder
from pipeline.following.index_copy import sketch_index
from pipeline.following.open_index import (
    IndexBusy,
    IndexUpdater,
    open_index,
    open_local_updater,
    open_updater,
)
from pipeline.following.problems import COMMANDS, INDEX, SKETCH
from pipeline.following.update_index import rebuild_follower, rebuild_index
from pipeline.index import FingerprintIndexError, open_reader
from pipeline.index import verify as verify_index
from pipeline.index.index_manifest import INDEX_FORMAT
from pipeline.index.segments.segment_format import SUFFIX
from pipeline.index_http import HttpIndexReader, IndexServerClient
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import FingerprintIndexSettings
from tasks.redis_state import catalogue_generation

LOCK_TIMEOUT: Final = 120.0  # seconds; the workers unlock the index after their merges
NOTICE_AFTER: Final = 5.0  # seconds
POLL_INTERVAL: Final = 0.05  # seconds


@click.command(cls=CheckedCommand)
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of the index server, which must not run.",
)
@click.argument("name")
@click.argument("snapshot", type=click.File("rb"))
def restore(directory: Path, name: str, snapshot: BinaryIO) -> None:
    """Create the index NAME from a SNAPSHOT.

    SNAPSHOT is a file from `/NAME/_snapshot` of an index server.
    """
    try:
        with _locked(directory):
            generation = restore_index(directory, name, snapshot)
    except (
        SnapshotDamagedError,
        StateDamagedError,
        FolderDamagedError,
        DirectoryInUseError,
    ) as error:
        raise StackError(f"{name} was not restored: {error}") from error
    except InvalidIndexNameError as error:
        raise StackError(NAME_RULE) from error
    except IndexAlreadyExistsError as error:
        raise StackError(f"{name} exists: delete it first, or restore to another name") from error
    except OSError as error:
        raise StackError(f"{name} was not restored: {error}") from error
    click.echo(f"{name} restored: generation {generation}")


@click.group(cls=CheckedGroup)
def index() -> None:
    """Manage the inverted index."""


index.add_command(serve)
index.add_command(restore)


_sketch_option = click.option(
    "--sketch", "is_sketch", is_flag=True, help="The sketch index instead of the index."
)


@index.command()
@data_directory.option
@_sketch_option
def rebuild(data_dir: Path, *, is_sketch: bool) -> None:
    """Rebuild the index from the fingerprint database.

    Lookups use the old index in the meantime. The new one also contains new imports.
    """
    settings = settings_for_command(data_dir)
    options = settings.fingerprint_index
    noun = SKETCH if is_sketch else INDEX
    folder = _print_sketch_location(options) if is_sketch else _print_location(options)
    databases = Databases(settings, component="rebuild")
    try:
        with databases.engine("fingerprint").connect() as connection:
            total = changelog.count_fingerprints(connection)
        with (
            _open_when_free(options, databases, folder) as updater,
            tqdm(total=total, unit=" fingerprints", disable=None) as bar,
        ):
            if is_sketch:
                copy = sketch_index(updater, options.sketch_rate)
                position = rebuild_follower(copy, databases, bar.update)
            else:
                position = rebuild_index(updater, databases, bar.update)
    except (FingerprintIndexError, ForeignIndexError, OSError, SQLAlchemyError) as error:
        raise StackError(f"the {noun} was not rebuilt: {explain(error)}") from error
    finally:
        databases.dispose()
    catalogue_generation.renew_at(settings.redis)
    click.echo(f"{noun} rebuilt: {total} fingerprints, position {position}")


@index.command()
@data_directory.option
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of `acoustid index serve` or of one index.  [default: the stack's index]",
)
@_sketch_option
def verify(data_dir: Path, directory: Path | None, *, is_sketch: bool) -> None:
    """Read the whole index and print every damaged file.

    For an index on servers, only their positions are checked. With --dir, no configuration is read,
    and the server may run.
    """
    if directory and is_sketch:
        raise click.UsageError("--sketch and --dir exclude each other")
    if directory:
        _verify_folder(directory)
        return
    settings = settings_for_command(data_dir).fingerprint_index
    folder = _print_sketch_location(settings) if is_sketch else _print_location(settings)
    if folder is None:
        _check_servers(settings)
        return
    noun = SKETCH if is_sketch else INDEX
    require_files(folder, SUFFIX, noun, f"[fingerprint_index] {'sketch_' * is_sketch}path")
    problems = verify_index(folder)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise StackError(remedy(INDEX_FORMAT, folder, noun, COMMANDS[noun]))
    click.echo(f"the {noun} is intact")


# The former name, for existing scripts.
index.add_command(
    CheckedCommand("check", callback=verify.callback, params=verify.params, hidden=True)
)


@index.command()
@data_directory.option
@_sketch_option
def stats(data_dir: Path, *, is_sketch: bool) -> None:
    """Print the size of the index as JSON.

    For an index on a server, the number of bytes is null, and the number of documents may include
    deleted and replaced ones.
    """
    settings = settings_for_command(data_dir).fingerprint_index
    folder = _print_sketch_location(settings) if is_sketch else _print_location(settings)
    noun = SKETCH if is_sketch else INDEX
    if folder is not None:
        require_files(folder, SUFFIX, noun, f"[fingerprint_index] {'sketch_' * is_sketch}path")
    try:
        with open_reader(folder) if folder else open_index(settings) as index:
            found = asdict(index.stats())
    except FingerprintIndexError as error:
        raise StackError(f"the {noun} cannot be read: {error}") from error
    if is_sketch:
        found["rate"] = settings.sketch_rate
    if folder is None:
        found["bytes"] = None
    click.echo(json.dumps(found))


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the folder of a server. After an error, remove the folder if it is new."""
    new = [each for each in (directory, *directory.parents) if not each.exists()]
    try:
        with exclusive(directory):
            yield
    except BaseException:
        if new:
            with suppress(OSError):  # another process has used the folder in the meantime
                (directory / LOCK_NAME).unlink()
                for each in new:
                    each.rmdir()
        raise


def _print_location(settings: FingerprintIndexSettings) -> Path | None:
    """Print where the index is; return its folder, None if it is on servers."""
    click.echo(f"index: {settings.location()}", err=True)
    return settings.path if settings.protocol == "local" else None


def _print_sketch_location(settings: FingerprintIndexSettings) -> Path:
    """Print the folder of the sketch index, and return it.

    Raises:
        StackError: the settings disable it.
    """
    if not settings.sketch_rate:
        raise StackError("there is no sketch index: [fingerprint_index] sketch_rate is 0")
    folder = sketch_folder(settings.sketch_path, settings.sketch_rate)
    click.echo(f"sketch index: {folder}", err=True)
    return folder


def _verify_folder(directory: Path) -> None:
    """Check the files of all indexes in a folder."""
    results = []
    try:
        for folder, problems in verify_below(directory):
            for line in problems or [f"{folder}: intact"]:
                click.echo(line)
            results.append(not problems)
    except OSError as error:
        raise StackError(f"the files cannot be read: {error}") from error
    if not results:
        raise StackError(f"{directory} contains no index")
    if not all(results):
        raise StackError(
            f"damaged: {results.count(False)} of {len(results)}; restore these from a backup or a "
            "snapshot; if the index is a copy of a fingerprint database, run `acoustid index "
            "rebuild` instead"
        )


def _check_servers(settings: FingerprintIndexSettings) -> None:
    failed = False
    for host, port in settings.servers():
        server = IndexServerClient(host, port, settings.name)
        try:
            with HttpIndexReader([server], timeout=settings.timeout) as reader:
                found = reader.stats()
            click.echo(f"{server}: position {found.position}, {found.documents} documents")
        except FingerprintIndexError as error:
            click.echo(str(error))
            failed = True
    if failed:
        raise StackError("a server of the index failed")
    click.echo("all servers answer; their files were not checked")


def _open_when_free(
    settings: FingerprintIndexSettings, databases: Databases, folder: Path | None
) -> IndexUpdater:
    """Open an index for writing as soon as the workers have unlocked it."""
    begun = time.monotonic()
    is_noticed = False
    while True:
        try:
            if folder is None:
                return open_updater(settings, databases)
            return open_local_updater(folder, clear_damaged=True)
        except IndexBusy:
            waited = time.monotonic() - begun
            if waited > LOCK_TIMEOUT:
                raise
            if waited > NOTICE_AFTER and not is_noticed:
                click.echo("waiting for merges of the index worker", err=True)
                is_noticed = True
            time.sleep(POLL_INTERVAL)
