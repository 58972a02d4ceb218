"""``acoustid musicbrainz load``: loads a MusicBrainz dump."""

from pathlib import Path

import click
import sqlalchemy.exc
from tqdm import tqdm

from cli.error_messages import explain_database
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import choose_stack
from pipeline.catalog.musicbrainz.dump.dump_format import OPTIONAL
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.files.open_dump import open_dump
from pipeline.catalog.musicbrainz.dump.files.source import DumpSource
from pipeline.catalog.musicbrainz.dump.load import Loaded, load_dump
from pipeline.catalog.musicbrainz.dump.schemas import OLD
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.redis_state import catalogue_generation


@click.command()
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@data_directory.option
def load(path: Path, data_dir: Path) -> None:
    """Replace the copy with the dump in PATH.

    PATH is mbdump.tar.bz2 of https://metabrainz.org/datasets, or the directory in which it was
    unpacked. The archive is not unpacked to the disk. A stack may run at the same time: its lookups
    read the old copy until the new one is complete. An invalid or cut dump changes nothing. After
    an interruption, run the command again: it goes on.
    """
    chosen = choose_stack(data_dir)
    chosen.require_own_postgres()
    settings = chosen.settings()
    try:
        loaded = _load(settings, open_dump(path))
    except DumpError as error:
        raise StackError(str(error)) from error
    except sqlalchemy.exc.DBAPIError as error:
        name = settings.database_musicbrainz.name
        raise StackError(
            f"database {name} cannot load the dump: {explain_database(error)}"
        ) from error
    catalogue_generation.renew_at(settings.redis)
    _report(loaded)


def _load(settings: Settings, source: DumpSource) -> Loaded:
    databases = Databases(settings, component="musicbrainz")
    with tqdm(total=source.size, unit="B", unit_scale=True, disable=None) as bar:

        def progress(table: str, size: int) -> None:
            bar.set_description(table if size else f"{table}: indexes", refresh=not size)
            bar.update(size)

        try:
            return load_dump(databases.engine("musicbrainz"), source, progress)
        finally:
            databases.dispose()


def _report(loaded: Loaded) -> None:
    for name in loaded.missing:
        click.echo(f"{name} is missing: {OPTIONAL[name]}", err=True)
    if loaded.kept:
        click.echo(f"an interrupted load had completed {len(loaded.kept)} tables", err=True)
    if not loaded.old_is_dropped:
        click.echo(
            f"the old tables are still read, so they are kept in the schema {OLD}: the next load "
            f"drops them, or you with DROP SCHEMA {OLD} CASCADE",
            err=True,
        )
    rows = loaded.rows
    click.echo(f"loaded {sum(rows.values())} rows, including {rows['recording']} recordings")
