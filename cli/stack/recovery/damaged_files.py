"""Repairs the files of `acoustid up` in a data directory before a stack starts."""

import json
from collections.abc import Callable
from pathlib import Path

from cli.stack.data_directory import DataDir
from cli.stack.files.private_file import delete_partial
from cli.stack.files.set_aside import set_aside


def repair_files(data: DataDir, report: Callable[[str], None]) -> None:
    """Delete partial files, and set aside directories and damaged files with a name of a stack.

    Each start writes these files again. ``stack.json`` is repaired by
    `cli.stack.recovery.lost_record`.

    Args:
        data: a data directory on which no stack runs, locked by this process.
        report: called with a line of text for each file that is set aside.

    Raises:
        StackError: a file cannot be renamed.
    """
    files = (data.run, data.prepared, data.config, data.demo_lookup, data.record)
    for path in files:
        delete_partial(path)
        if path.is_dir():
            report(f"{path} is a directory and is now {set_aside(path).name}")
    for path in (data.run, data.prepared):
        if path.exists() and not _is_json_object(path):
            report(
                f"{path} is damaged and is now {set_aside(path).name}; this start writes it again"
            )


def _is_json_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError):
        return False
