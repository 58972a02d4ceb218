"""Repairs the files of `acoustid up` in a data directory before a stack starts."""

from collections.abc import Callable
from pathlib import Path

from cli.errors import StackError
from cli.stack.data_directory import DataDir
from cli.stack.files.json_file import DamagedFileError, is_not_a_file, read_json_object
from cli.stack.files.private_file import delete_partial
from cli.stack.files.set_aside import set_aside


def repair_files(data: DataDir, report: Callable[[str], None]) -> None:
    """Delete partial files, and set aside directories and damaged files with a name of a stack.

    A file that this user cannot read is not damaged: nothing is set aside then. Each
    start writes these files again. ``stack.json`` is repaired by
    `cli.stack.recovery.lost_record`.

    Args:
        data: a data directory on which no stack runs, locked by this process.
        report: called with a line of text for each file that is set aside.

    Raises:
        StackError: a file cannot be renamed, or this user cannot read it.
    """
    files = (data.run, data.prepared, data.config, data.demo_lookup, data.record)
    try:
        for path in files:
            delete_partial(path)
            if is_not_a_file(path):
                kind = "a directory" if path.is_dir() else "no regular file"
                report(f"{path} is {kind} and is now {set_aside(path).name}")
        for path in (data.run, data.prepared):
            if not _is_sound(path):
                moved = set_aside(path).name
                report(f"{path} is damaged and is now {moved}; this start writes it again")
    except OSError as error:
        raise StackError(f"{error.filename} cannot be read: {error.strerror}") from error


def _is_sound(path: Path) -> bool:
    """Return whether a file is missing or has a JSON object."""
    try:
        read_json_object(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except DamagedFileError:
        return False
    return True
