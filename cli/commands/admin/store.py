"""``acoustid store``: rebuilds and checks the fingerprint store, and prints its size."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli.argument_checks import CheckedGroup
from cli.commands.admin.stored_files import remedy, require_files
from cli.error_messages import explain
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.fingerprint import changelog
from pipeline.fingerprint_store import (
    FingerprintStoreError,
    StoreLocked,
    StoreWriter,
    open_store,
    open_store_writer,
    verify_store,
)
from pipeline.fingerprint_store.segment_format import SUFFIX
from pipeline.fingerprint_store.store_manifest import STORE_FORMAT
from pipeline.following.store_copy import StoreCopy
from pipeline.following.update_index import rebuild_follower
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import FingerprintStoreSettings

LOCK_TIMEOUT: Final = 30.0  # seconds; a worker locks the store for one task at a time
POLL_INTERVAL: Final = 0.01  # seconds


@click.group(cls=CheckedGroup)
def store() -> None:
    """Manage the fingerprint store, a copy of all fingerprints."""


@store.command()
@data_directory.option
def rebuild(data_dir: Path) -> None:
    """Rebuild the fingerprint store from the database.

    Lookups use the old store in the meantime. The new one also contains new imports.
    """
    settings = settings_for_command(data_dir)
    _print_location(settings.fingerprint_store)
    databases = Databases(settings, component="rebuild")
    try:
        with databases.engine("fingerprint").connect() as connection:
            total = changelog.count_fingerprints(connection)
        with (
            _writer(settings.fingerprint_store.path) as writer,
            tqdm(total=total, unit=" fingerprints", disable=None) as bar,
        ):
            position = rebuild_follower(StoreCopy(writer), databases, bar.update)
    except (FingerprintStoreError, OSError, SQLAlchemyError) as error:
        raise StackError(f"the fingerprint store was not rebuilt: {explain(error)}") from error
    finally:
        databases.dispose()
    click.echo(f"fingerprint store rebuilt: {total} fingerprints, position {position}")
    if not settings.fingerprint_store.enabled:
        click.echo("lookups do not use it: [fingerprint_store] enabled is false", err=True)


@store.command()
@data_directory.option
def check(data_dir: Path) -> None:
    """Read the whole store and print every damaged file."""
    settings = settings_for_command(data_dir).fingerprint_store
    _print_location(settings)
    require_files(settings.path, SUFFIX, "fingerprint store", "[fingerprint_store] path")
    problems = verify_store(settings.path)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise StackError(
            remedy(STORE_FORMAT, settings.path, "fingerprint store", "acoustid store rebuild")
        )
    click.echo("the fingerprint store is intact")


@store.command()
@data_directory.option
def stats(data_dir: Path) -> None:
    """Print the size of the fingerprint store as JSON."""
    settings = settings_for_command(data_dir).fingerprint_store
    _print_location(settings)
    require_files(settings.path, SUFFIX, "fingerprint store", "[fingerprint_store] path")
    try:
        found = open_store(settings.path).stats()
    except FingerprintStoreError as error:
        raise StackError(f"the fingerprint store cannot be read: {error}") from error
    click.echo(json.dumps(asdict(found)))


def _print_location(settings: FingerprintStoreSettings) -> None:
    click.echo(f"fingerprint store: {settings.path}", err=True)


def _writer(path: Path) -> StoreWriter:
    """Open the store for writing between two tasks of the index worker."""
    begun = time.monotonic()
    while True:
        try:
            return open_store_writer(path, clear_damaged=True)
        except StoreLocked:
            if time.monotonic() - begun > LOCK_TIMEOUT:
                raise
            time.sleep(POLL_INTERVAL)
