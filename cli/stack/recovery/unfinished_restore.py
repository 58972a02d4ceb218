"""The file ``restore.json``: a restore that has not ended. No stack starts beside it."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from shlex import quote

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.json_file import DamagedFileError, read_json_object
from cli.stack.files.private_file import delete_partial, write_private
from pipeline.storage.files import sync_directory


@dataclass(frozen=True, slots=True)
class UnfinishedRestore:
    """A restore that has begun.

    Attributes:
        backup: the identity of the backup.
        source: its path, for messages.
        databases: the dumps that are restored completely.
        begun: the dump that is being restored; empty for none.
    """

    backup: str
    source: str
    databases: Sequence[str] = ()
    begun: str = ""

    def beginning(self, name: str) -> "UnfinishedRestore":
        """Return a copy with another dump that is being restored."""
        return replace(self, begun=name)

    def with_database(self, name: str) -> "UnfinishedRestore":
        """Return a copy with one more complete dump."""
        return replace(self, databases=(*self.databases, name), begun="")

    def save(self, data: DataDir) -> None:
        """Write the file, so that it survives a crash of the machine."""
        write_private(data.restore, json.dumps(asdict(self)))
        sync_directory(data.root)


def read_unfinished(data: DataDir) -> UnfinishedRestore | None:
    """Return the restore of a data directory that has not ended; None if there is none.

    Raises:
        StackError: the file is damaged or cannot be read.
    """
    try:
        found = read_json_object(data.restore)
        return _decode(found)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StackError(f"{data.restore} cannot be read: {error.strerror}") from error
    except (DamagedFileError, KeyError, TypeError) as error:
        raise StackError(
            f"{data.restore} is damaged: delete {data.root} and restore the backup again"
        ) from error


def finish(data: DataDir) -> None:
    """Delete the file: the restore is complete."""
    data.restore.unlink()
    delete_partial(data.restore)
    sync_directory(data.root)


def require_no_restore(data: DataDir) -> None:
    """Check that no restore of the data directory runs or was interrupted.

    Raises:
        StackError: one runs or was interrupted.
    """
    found = read_unfinished(data)
    if found is None:
        return
    if data.lock_holder() not in {None, os.getpid()}:
        raise StackError(f"a backup is being restored into {data.root}: wait for its end")
    raise StackError(
        f"the restore of {found.source} into {data.root} was interrupted: run `acoustid restore "
        f"{quote(found.source)} --data-dir {quote(str(data.root))}` again, or delete {data.root}"
    )


def _decode(found: Mapping[str, object]) -> UnfinishedRestore:
    match found:
        case {
            "backup": str(backup),
            "source": str(source),
            "databases": [*databases],
            "begun": str(begun),
        }:
            return UnfinishedRestore(backup, source, tuple(map(str, databases)), begun)
    raise KeyError("backup")
