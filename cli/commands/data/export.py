"""``acoustid export``: writes the catalogue as data files."""

import errno
from pathlib import Path
from typing import Never

import click
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from cli.argument_checks import CheckedCommand
from cli.error_messages import explain
from cli.errors import StackError
from cli.file_name import DirectoryName
from cli.stack import data_directory
from cli.stack.selection import choose_stack
from pipeline.export.run import export as write_export
from pipeline.runtime.databases import Databases


class _Bar:
    """Shows the rows that are written, with their rate and the time left, on a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None

    def begin(self, rows: int) -> None:
        """Show the bar."""
        self._bar = tqdm(total=rows, unit=" rows", unit_scale=True, disable=None)

    def advance(self, name: str, rows: int) -> None:
        """Show further rows, and the file that has them."""
        if self._bar is not None:
            self._bar.set_description(name.rpartition("/")[2], refresh=False)
            self._bar.update(rows)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


@click.command(cls=CheckedCommand)
@click.argument("directory", type=DirectoryName(), metavar="DIR")
@data_directory.option
@click.option(
    "--private",
    "is_private",
    is_flag=True,
    help="Also write accounts, keys, addresses and submissions, into DIR/private.",
)
@click.option("--all", "writes_all", is_flag=True, help="Write the files of all days again.")
def export(directory: Path, data_dir: Path, *, is_private: bool, writes_all: bool) -> None:
    """Write the catalogue to DIR, one file for each table and day.

    The files are those of the public service: JSON lines, gzip, one day in UTC. The next export
    into DIR writes the files of new and unfinished days. The stack may run; all files of a run show
    the same moment. A run that was interrupted goes on when the command is given again.
    """
    chosen = choose_stack(data_dir)
    chosen.require_own_postgres()
    settings = chosen.settings()
    databases = Databases(settings, component="export")
    bar = _Bar()
    try:
        report = write_export(
            databases, directory, bar, is_private=is_private, writes_all=writes_all
        )
    except (OSError, SQLAlchemyError) as error:
        raise StackError(_interrupted(directory, error)) from error
    finally:
        bar.close()
        databases.dispose()
    kept = f", {report.kept} files of final days stay" if report.kept else ""
    click.echo(f"exported to {directory}: {report.rows} rows in {report.files} files{kept}")


def _interrupted(directory: Path, error: Exception) -> str:
    is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "free space on its disk and give" if is_full else "give"
    return (
        f"the export to {directory} is not complete: {explain(error)}: "
        f"{advice} the command again to go on"
    )
