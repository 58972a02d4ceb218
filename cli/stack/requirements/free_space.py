"""Refuses a data directory on a full disk before anything is started."""

import shutil
from pathlib import Path
from typing import Final

from cli.errors import StackError

NEEDED: Final = 32 * 2**20
"""Bytes that must be free: two files of PostgreSQL's write-ahead log."""


def require_free_space(root: Path) -> None:
    """Check the disk of a data directory, which need not exist.

    Raises:
        StackError: fewer than `NEEDED` bytes are free.
    """
    folder = root
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < NEEDED:
        raise StackError(
            f"the disk of {root} has {free // 2**20} MiB left, and a start needs "
            f"{NEEDED // 2**20} MiB: free some space, or choose another --data-dir"
        )
