"""``acoustid import``: imports data files."""

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Literal

import click
from redis import RedisError

from api.access.key_cache import forget_keys
from cli.argument_checks import CheckedCommand
from cli.commands.data.bars import Bars
from cli.commands.data.catalogues.options import OtherFormat, format_options
from cli.errors import StackError
from cli.exit_status import ExitStatus
from cli.stack import data_directory
from cli.stack.selection import choose_stack
from pipeline.bulk_import.files.input_files import find_files
from pipeline.bulk_import.files.run import Imported, import_files
from pipeline.bulk_import.rejects import Rejects
from pipeline.runtime.databases import Databases
from pipeline.runtime.redis_client import connect
from pipeline.settings.sections import RedisSettings
from tasks.redis_state import catalogue_generation

MOST_NAMED: Final = 10
"""Number of files of another kind that are named."""


@click.command("import", cls=CheckedCommand)
@click.argument("source", metavar="DIR|FILE", type=click.Path(path_type=Path, exists=True))
@format_options
@click.option(
    "--private",
    "is_private",
    is_flag=True,
    help="Import accounts, keys and submissions too, of an export that has them.",
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="Stop at a line that cannot be imported, or skip it.",
)
@click.option(
    "--rejects",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to which such lines are appended, with their reason, as JSON lines.",
)
@data_directory.option
def import_command(
    *,
    source: Path,
    other: OtherFormat | None,
    is_private: bool,
    on_error: Literal["stop", "skip"],
    rejects: Path | None,
    data_dir: Path,
) -> None:
    """Import the data files in DIR: an export, or files of the public service.

    Ids and gids are kept. A file that was imported before is skipped. After an interruption, run
    the command again: it goes on where it was stopped. It returns when the index and the store have
    all fingerprints. A stack may run at the same time.

    With --format, another catalogue is imported, with the checks of submissions: a FILE or a folder
    of CSV files or of JSON lines, with the fields of `acoustid submit`; or a folder of audio files
    with tags. Its fingerprints join the tracks that submissions would join.
    """
    chosen = choose_stack(data_dir)
    chosen.require_own_postgres()
    settings = chosen.settings()
    if other is not None and is_private:
        raise click.UsageError("--private is for an export, not for other catalogues")
    if other is not None:
        other.run(source, settings, on_error, rejects)
        return
    if not source.is_dir():
        raise click.UsageError(f"{source} is not a folder: give --format for other catalogues")
    folder = find_files(source)
    for path in folder.other[:MOST_NAMED]:
        click.echo(f"{source / path} is not a data file, and is ignored", err=True)
    if len(folder.other) > MOST_NAMED:
        click.echo(f"{len(folder.other) - MOST_NAMED} more files are ignored", err=True)
    databases = Databases(settings, component="import")
    try:
        with Rejects(on_error, rejects, _tell) as refused, Bars() as bars:
            done = import_files(
                settings,
                databases,
                folder,
                refused,
                bars,
                is_private=is_private,
                keys_changed=partial(_forget_keys, settings.redis),
            )
    finally:
        databases.dispose()
        catalogue_generation.renew_at(settings.redis)
    _report(done, refused)


def _forget_keys(settings: RedisSettings) -> None:
    """Empty the caches of keys. Without Redis, front ends use new keys within two minutes."""
    with suppress(RedisError), connect(settings) as client:
        forget_keys(client)


def _tell(text: str) -> None:
    from tqdm import tqdm  # noqa: PLC0415 - only for a refused line

    with tqdm.external_write_mode():
        click.echo(text, err=True)


def _report(done: Imported, refused: Rejects) -> None:
    """Print what was done.

    Raises:
        StackError: all lines were refused.
        click.exceptions.Exit: some were.
    """
    known = f"; {done.known} files were imported before" if done.known else ""
    click.echo(
        f"imported {done.files} files, {max(0, done.lines - refused.count)} lines, "
        f"{done.changed} rows added or changed{known}"
    )
    if done.without_fingerprint:
        click.echo(
            f"{done.without_fingerprint} rows of track_fingerprint have no fingerprint: they wait "
            "for its file",
            err=True,
        )
    if refused.count and refused.count == done.lines:
        raise StackError("all lines were refused")
    if refused.count:
        click.echo(f"{refused.count} lines were refused", err=True)
        raise click.exceptions.Exit(ExitStatus.PARTIAL)
