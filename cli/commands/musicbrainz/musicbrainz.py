"""``acoustid musicbrainz``: loads a MusicBrainz dump."""

from pathlib import Path

import click
import sqlalchemy.exc
from tqdm import tqdm

from cli.argument_checks import CheckedGroup
from cli.commands.musicbrainz.follow import follow
from cli.error_messages import explain_database
from cli.errors import StackError
from cli.stack import data_directory
from cli.stack.selection import settings_for_command
from pipeline.catalog.musicbrainz.load import OPTIONAL, Dump, DumpError, load_dump, open_dump
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from tasks.redis_state import catalogue_generation


@click.group(cls=CheckedGroup)
def musicbrainz() -> None:
    """Manage the copy of MusicBrainz, the source of metadata."""


musicbrainz.add_command(follow)


@musicbrainz.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@data_directory.option
def load(directory: Path, data_dir: Path) -> None:
    """Replace the copy with the unpacked dump in DIRECTORY.

    The dump is mbdump.tar.bz2 of https://metabrainz.org/datasets. Unpack it first. All tables are
    replaced in one transaction; an invalid, empty or cut file changes nothing. A stack may run at
    the same time. Its lookups have no metadata during the load.
    """
    settings = settings_for_command(data_dir)
    try:
        dump = open_dump(directory)
        for name in dump.missing:
            click.echo(f"{name} is missing: {OPTIONAL[name]}", err=True)
        counts = _load(settings, dump)
    except DumpError as error:
        raise StackError(str(error)) from error
    except sqlalchemy.exc.DBAPIError as error:
        name = settings.database_musicbrainz.name
        raise StackError(
            f"database {name} cannot load the dump: {explain_database(error)}"
        ) from error
    catalogue_generation.renew_at(settings.redis)
    click.echo(f"loaded {sum(counts.values())} rows, including {counts['recording']} recordings")


def _load(settings: Settings, dump: Dump) -> dict[str, int]:
    databases = Databases(settings, component="musicbrainz")
    with tqdm(total=dump.size, unit="B", unit_scale=True, disable=None) as bar:

        def progress(table: str, size: int) -> None:
            bar.set_description(table if size else f"{table}: indexes", refresh=not size)
            bar.update(size)

        try:
            return load_dump(databases.engine("musicbrainz"), dump, progress)
        finally:
            databases.dispose()
