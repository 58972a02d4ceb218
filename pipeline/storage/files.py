"""All functions that change or lock files for the storage engine, the index and the store.

Their other code does not write to the disk, so a test can interrupt a commit at each call.
The content of a file is durable after `sync`, its name after `sync_directory`.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SYNC_FILE_RANGE_WRITE: Final = 2
"""Linux's flag to start writing changed pages without waiting for them."""

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def create(path: Path) -> int:
    """Open `path` for writing, empty, and return its descriptor. Only its owner can read it."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at byte `offset`.

    Args:
        descriptor: the result of `create`.
        data: contiguous bytes.
        offset: bytes from the start of the file.

    Raises:
        OSError: the disk is full or failing; part of the data may have been written.
    """
    rest = memoryview(data).cast("B")
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        offset += written


def begin_sync(descriptor: int) -> None:
    """Start writing an open file to the disk, which makes a later `sync` faster.

    Does nothing on systems without such a call.
    """
    start = _sync_file_range()
    if start is not None:
        start(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE)


def sync(descriptor: int) -> None:
    """Wait until the content of an open file is on the disk."""
    os.fsync(descriptor)


def close(descriptor: int) -> None:
    """Close a descriptor."""
    os.close(descriptor)


def replace(source: Path, target: Path) -> None:
    """Rename `source` to `target` atomically."""
    source.replace(target)


def replace_content(path: Path, temporary: Path, data: bytes) -> None:
    """Replace the content of a file atomically and durably.

    Args:
        path: the file; it need not exist.
        temporary: an unused name in the same folder.
        data: the new content.

    Raises:
        OSError: the disk is full or failing; the file has the old content or the new one, and the
            temporary file is removed.
    """
    try:
        descriptor = create(temporary)
        try:
            write_at(descriptor, data, 0)
            sync(descriptor)
        finally:
            close(descriptor)
        replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            remove(temporary)
        raise
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Delete a file; a missing one is no error."""
    path.unlink(missing_ok=True)


def remove_directory(path: Path) -> None:
    """Delete an empty folder; a missing one is no error.

    Raises:
        OSError: it is not empty, or the disk is failing.
    """
    with suppress(FileNotFoundError):
        path.rmdir()


def sync_directory(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Create a folder and its parents, durably; one that exists is no error and keeps its mode.

    Only its owner can enter it.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def map_read_only(path: Path) -> mmap.mmap:
    """Map a whole file; the mapping stays valid when the file is deleted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty.
    """
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def lock(path: Path) -> int | None:
    """Take the exclusive lock on `path`, creating the file.

    The lock is `flock`'s. A POSIX record lock could be taken twice by one process, and would be
    released when any descriptor of the file is closed.

    Each user that can open the file can lock it, and so stop the writer. So only its owner can;
    the mode of a file of an earlier version is corrected.

    Returns:
        The descriptor with the lock, or None if another one has the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _exclude_others(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _exclude_others(descriptor: int) -> None:
    """Take all rights to an open file from group and others, if it belongs to this user."""
    found = os.fstat(descriptor)
    if found.st_mode & _OTHERS and found.st_uid == os.geteuid():
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & ~_OTHERS)


def write_lock(descriptor: int, content: bytes) -> None:
    """Write the content of a lock's file, not durably.

    Args:
        descriptor: the result of `lock`.
        content: the bytes; the file has no others.
    """
    os.pwrite(descriptor, content, 0)


def unlock(descriptor: int) -> None:
    """Release a lock, even if a forked process still has the descriptor open."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return cast("Callable[[int, int, int, int], int] | None", function)
