"""``acoustid index``: build the index anew, check its files, tell its size."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli import datadir
from cli.effective import settings_here
from cli.errors import StackError
from cli.index_serve import serve
from pipeline.catalog import changelog
from pipeline.index import (
    FingerprintIndexError,
    IndexLocked,
    IndexWriter,
    open_reader,
    open_writer,
    verify,
)
from pipeline.runtime.databases import Databases
from pipeline.stages.update_index import rebuild_index

LOCK_PATIENCE: Final = 30.0  # seconds


@click.group()
def index() -> None:
    """Look after the inverted index; all that is in it comes from the fingerprint database."""


index.add_command(serve)


@index.command()
@datadir.option
def rebuild(data_dir: Path) -> None:
    """Build the index anew from the fingerprint database.

    Lookups go on in the old one meanwhile, and what is imported meanwhile is in the new one.
    """
    settings = settings_here(data_dir)
    databases = Databases(settings, component="rebuild")
    try:
        with databases.engine("fingerprint").connect() as connection:
            total = changelog.count_fingerprints(connection)
        with (
            _writer(settings.fingerprint_index.path) as writer,
            tqdm(total=total, unit=" fingerprints", disable=None) as bar,
        ):
            position = rebuild_index(writer, databases, bar.update)
    except (FingerprintIndexError, SQLAlchemyError) as error:
        raise StackError(f"the index was not rebuilt: {error}") from error
    click.echo(f"index rebuilt: {total} fingerprints, position {position}")


@index.command()
@datadir.option
def check(data_dir: Path) -> None:
    """Read the whole index and name every file that is damaged."""
    problems = verify(settings_here(data_dir).fingerprint_index.path)
    for problem in problems:
        click.echo(problem)
    if problems:
        raise StackError("the index is damaged: `acoustid index rebuild` mends it")
    click.echo("the index is sound")


@index.command()
@datadir.option
def stats(data_dir: Path) -> None:
    """Print the size of the index as JSON."""
    reader = open_reader(settings_here(data_dir).fingerprint_index.path)
    click.echo(json.dumps(asdict(reader.stats())))


def _writer(path: Path) -> IndexWriter:
    """Open the index for writing once the workers' current update is through."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            return open_writer(path, clear_damaged=True)
        except IndexLocked:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
