"""``acoustid index restore``: an index of the index server, from a snapshot."""

from pathlib import Path
from typing import BinaryIO

import click

from api.fpindex.errors import IndexAlreadyExistsError, InvalidIndexNameError
from api.fpindex.restore import restore as restore_index
from api.fpindex.server import DirectoryInUseError, exclusive
from api.fpindex.snapshot import SnapshotDamagedError
from api.fpindex.state import StateDamagedError
from cli.errors import StackError


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The folder of the index server, which must not run.",
)
@click.argument("name")
@click.argument("snapshot", type=click.File("rb"))
def restore(directory: Path, name: str, snapshot: BinaryIO) -> None:
    """Make an index NAME of the file SNAPSHOT, which `/NAME/_snapshot` of a server has given."""
    try:
        with exclusive(directory):
            generation = restore_index(directory, name, snapshot)
    except (SnapshotDamagedError, StateDamagedError, DirectoryInUseError) as error:
        raise StackError(f"{name} was not restored: {error}") from error
    except InvalidIndexNameError as error:
        raise StackError("an index's name is 1 to 255 of A-Z a-z 0-9 _ -") from error
    except IndexAlreadyExistsError as error:
        raise StackError(f"{name} exists: delete it first, or restore to another name") from error
    except OSError as error:
        raise StackError(f"{name} was not restored: {error}") from error
    click.echo(f"{name} restored: generation {generation}")
