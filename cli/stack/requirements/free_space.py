"""Refuses a data directory on a full disk before anything is started."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cli.errors import StackError

NEEDED: Final = 32 * 2**20
"""Bytes that must be free for a new stack: two files of PostgreSQL's write-ahead log."""

NEEDED_AGAIN: Final = 4 * 2**20
"""Bytes that must be free for a stack that has its databases: logs, pid files, settings."""


def require_free_space(root: Path, report: Callable[[str], None], *, exists: bool) -> None:
    """Check the disk of a data directory, which need not exist.

    Args:
        root: the data directory.
        report: called with a line of text if the stack may start, but has little space.
        exists: whether a stack was started on it before.

    Raises:
        StackError: a new stack has fewer than `NEEDED` bytes, another one than `NEEDED_AGAIN`.
    """
    folder = root
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free >= NEEDED:
        return
    left = f"the disk of {root} has {free // 2**20} MiB left"
    if not exists:
        raise StackError(
            f"{left}, and a new stack needs {NEEDED // 2**20} MiB: free some space, or choose "
            "another --data-dir"
        )
    if free < NEEDED_AGAIN:
        raise StackError(
            f"{left}, and a start needs {NEEDED_AGAIN // 2**20} MiB: free some space, for example "
            f"delete files in {root / 'logs'}, or move the stack to another disk"
        )
    report(f"{left}: free some space soon; PostgreSQL refuses writes and ends if none is left")
