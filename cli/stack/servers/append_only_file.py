"""Sets a damaged append-only file of Valkey or Redis aside, so that the server starts empty.

The service makes all of its content again, except that which `LOST` names. The server itself
repairs a file whose end is missing.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cli.stack.files.set_aside import set_aside

FOLDER: Final = "appendonlydir"
"""The folder of the append-only file in the directory of the server, from Redis 7 on."""

OLD_FILE: Final = "appendonly.aof"
"""The append-only file of Redis 6."""

LOST: Final = (
    "submissions are imported all the same; background lookups and the last lookup counts are lost"
)

_FILES: Final = "appendonly.aof.*"
_MANIFEST: Final = "appendonly.aof.manifest"

_EMPTY_SIZE: Final = 256
"""Bytes; the file of an empty database has fewer. A server killed at its first start leaves one."""

_START: Final = "just started"
"""A text in the first lines of the log of each start."""

_DAMAGED: Final = re.compile(
    r"Bad file format reading the append only file"
    r"|Unexpected end of file reading the append only file"
    r"|Error reading the RDB preamble"
    r"|FATAL AOF MANIFEST FILE ERROR"
    r"|Unable to obtain the AOF file .*: No such file"
    r"|append log file .*: No such file"
    r"|Internal error in RDB reading"
    r"|Terminating server after rdb file reading failure"
    r"|Wrong signature trying to load DB"
    r"|Unknown command .* reading the append only file"
    r"|Error reading the append only file .*: unknown command"
    r"|Unrecoverable error reading the append only file .*: Is a directory"
)
"""Messages of Redis 6 and 7, and of Valkey 7 to 9, about a file that cannot be loaded."""


def repair_folder(directory: Path, report: Callable[[str], None]) -> None:
    """Set the files aside if the manifest is missing: the server would overwrite them.

    A manifest that is no file prevents the start.

    Args:
        directory: the directory of the server, which does not run.
        report: called with a line of text about the repair.

    Raises:
        StackError: the files cannot be renamed.
    """
    folder = directory / FOLDER
    manifest = folder / _MANIFEST
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        _set_aside(folder, "is not a directory", report)
    elif not manifest.is_file() and (manifest.exists() or _has_data(folder)):
        _set_aside(folder, "has no manifest", report)


def repair_after_exit(
    directory: Path, status: int, log: str, report: Callable[[str], None]
) -> bool:
    """Set the files aside if they are the reason why the server ended at its start.

    Args:
        directory: the directory of the server.
        status: its exit status. A signal is negative: then the reason is another one.
        log: the end of its log, which may include lines of earlier starts.
        report: called with a line of text about the repair.

    Raises:
        StackError: the files cannot be renamed.
    """
    found = _DAMAGED.search(log[log.rfind(_START) + 1 :])
    damaged = [path for path in (directory / FOLDER, directory / OLD_FILE) if path.exists()]
    if status < 0 or found is None:
        return False
    for path in damaged:
        _set_aside(path, "is damaged", report)
    return bool(damaged)


def _has_data(folder: Path) -> bool:
    return any(path.stat().st_size > _EMPTY_SIZE for path in folder.glob(_FILES))


def _set_aside(path: Path, problem: str, report: Callable[[str], None]) -> None:
    moved = set_aside(path)
    report(f"valkey: {path} {problem} and is now {moved.name}; {LOST}")
