"""The free space of the disks of some folders."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class DiskSpace(NamedTuple):
    """The disk with the least free space.

    Attributes:
        free_bytes: the bytes that a user without root rights can write; 0 if it is read-only.
        read_only: whether a disk is mounted read-only.
    """

    free_bytes: int
    read_only: bool = False


def least_space(folders: Iterable[Path]) -> DiskSpace | None:
    """Return the space of the disk with the least; None without a folder.

    Args:
        folders: folders, which need not exist. The disk is then that of the nearest one above.

    Raises:
        OSError: a disk cannot be read.
    """
    found = [_space(folder) for folder in folders]
    return min(found, default=None)


def _space(folder: Path) -> DiskSpace:
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    state = os.statvfs(folder)
    if state.f_flag & os.ST_RDONLY:
        return DiskSpace(0, read_only=True)
    return DiskSpace(state.f_bavail * state.f_frsize)
