"""``acoustid backup``: writes a backup of a service while it runs."""

from pathlib import Path

import click

from cli.argument_checks import CheckedCommand
from cli.backup.create import backup_to_file, backup_to_folder
from cli.stack import data_directory
from cli.stack.selection import choose_stack


@click.command(cls=CheckedCommand)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--to",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the backup to one new file (tar) instead of a folder.",
)
@click.option(
    "--keep",
    metavar="N",
    type=click.IntRange(min=1),
    help="Then delete all but the N newest backups of this service in DIR.",
)
@click.option(
    "--postgres-bin",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of pg_dump. By default it is searched for.",
)
@data_directory.option
def backup(
    directory: Path | None,
    file: Path | None,
    keep: int | None,
    postgres_bin: Path | None,
    data_dir: Path,
) -> None:
    """Write a backup of the databases and the configuration.

    The service goes on meanwhile. The backup is a new folder in DIR, named after the time in UTC.
    It contains secrets, such as keys of users. The output is its path.
    """
    if (directory is None) == (file is None):
        raise click.UsageError("give either DIR or --to FILE")
    if file is not None and keep is not None:
        raise click.UsageError("--keep needs DIR: the backups of one folder are counted")
    if file == Path("-"):
        raise click.UsageError(
            "--to needs a file: the sizes and checksums of a backup are written after its contents"
        )
    chosen = choose_stack(data_dir)
    chosen.require_own_postgres()

    def report(line: str) -> None:
        click.echo(line, err=True)

    if file is not None:
        path = backup_to_file(chosen, file, report, postgres_bin=postgres_bin)
    else:
        assert directory is not None  # noqa: S101 - checked above
        path = backup_to_folder(chosen, directory, report, keep=keep, postgres_bin=postgres_bin)
    click.echo(path)
