"""Writes the members of a backup to a folder or a tar file, which get their names at the end.

Until then they have another name, and are locked. So a backup under its own name is complete, and a
partial one that is not locked was left by a process that was killed.
"""

import hashlib
import os
import re
import shutil
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final, Protocol

from cli.backup.manifest import NAME, StoredFile
from cli.errors import StackError
from pipeline.storage import files

LOCK: Final = ".backup.lock"
PARTIAL: Final = ".partial-"
"""The start of the name of a folder that is not complete, or is being deleted."""

PARTIAL_FILE: Final = ".acoustid-backup-partial"
"""The end of the name of a tar file that is not complete."""

NAME_FORMAT: Final = "%Y-%m-%dT%H-%M-%SZ"
"""The name of a backup's folder: the time of its start, in UTC."""

FOLDER_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
"""What `NAME_FORMAT` makes."""

_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = bytes(2 * _BLOCK)


class Member:
    """An open member of a backup.

    Args:
        file: the file, at the start of the member.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, part: bytes) -> None:
        """Write the next bytes.

        Raises:
            OSError: the disk is full or failing.
        """
        self._file.write(part)
        self._digest.update(part)
        self._size += len(part)

    def stored(self) -> StoredFile:
        """Return size and checksum of what was written."""
        return StoredFile(self._size, self._digest.hexdigest())


class Target(Protocol):
    """Where a backup is written."""

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        """Open a new member; the end of the block closes it, durably."""

    def finish(self) -> Path:
        """Give the backup its name, durably, and return its path. All members are closed."""


class FolderTarget:
    """A folder that is not complete.

    Args:
        partial: the folder.
        final: its path when it is complete.
    """

    def __init__(self, partial: Path, final: Path) -> None:
        self._partial = partial
        self._final = final

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        """Create a file; the end of the block syncs it."""
        with open(files.create(self._partial / name), "wb") as file:  # noqa: PTH123 - a descriptor
            yield Member(file)
            file.flush()
            files.sync(file.fileno())

    def finish(self) -> Path:
        """Rename the folder."""
        files.sync_directory(self._partial)
        files.replace(self._partial, self._final)
        files.sync_directory(self._final.parent)
        return self._final


class TarTarget:
    """A tar file that is not complete, in the GNU format, whose numbers have no limit.

    Args:
        file: the open file.
        partial: its path.
        final: its path when it is complete.
    """

    def __init__(self, file: IO[bytes], partial: Path, final: Path) -> None:
        self._file = file
        self._partial = partial
        self._final = final

    @contextmanager
    def member(self, name: str) -> Iterator[Member]:
        """Add a member. Its header is written at the end of the block, when its size is known."""
        start = self._file.tell()
        self._file.write(bytes(_BLOCK))
        member = Member(self._file)
        yield member
        size = member.stored().size
        self._file.write(bytes(-size % _BLOCK))
        end = self._file.tell()
        self._file.seek(start)
        self._file.write(_header(name, size))
        self._file.seek(end)

    def finish(self) -> Path:
        """Write the end of the archive, and rename the file.

        Raises:
            StackError: another file has its name now.
        """
        self._file.write(_END)
        self._file.flush()
        files.sync(self._file.fileno())
        _require_new(self._final)
        files.replace(self._partial, self._final)
        files.sync_directory(self._final.parent)
        return self._final


@contextmanager
def open_folder(parent: Path) -> Iterator[FolderTarget]:
    """Create the folder of a backup, and lock its parent, during a block.

    Folders that killed processes have left are deleted. If the block fails, its folder is, too.

    Args:
        parent: the folder of all backups; it is created if it is missing.

    Raises:
        StackError: another process writes a backup into `parent`.
        OSError: the folder cannot be created.
    """
    if parent.exists() and not parent.is_dir():
        raise StackError(f"{parent} is a file: give a folder, or --to for a backup in one new file")
    if (parent / NAME).exists():
        raise StackError(f"{parent} is a backup itself: give the folder that contains it")
    files.make_directory(parent)
    lock = files.lock(parent / LOCK)
    if lock is None:
        raise StackError(f"another backup is being written to {parent}: wait for its end")
    try:
        delete_partial_folders(parent)
        name = _free_name(parent)
        partial = parent / f"{PARTIAL}{name}"
        partial.mkdir(mode=0o700)
        try:
            yield FolderTarget(partial, parent / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    finally:
        files.unlock(lock)


def delete_partial_folders(parent: Path) -> None:
    """Delete the folders of backups that are not complete. The caller has the lock."""
    for path in parent.glob(f"{PARTIAL}*"):
        is_ours = FOLDER_NAME.fullmatch(path.name.removeprefix(PARTIAL))
        if is_ours and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


@contextmanager
def open_file(path: Path) -> Iterator[TarTarget]:
    """Create the tar file of a backup during a block.

    Files that killed processes have left in its folder are deleted. If the block fails, the file is
    deleted too.

    Args:
        path: the file, which must not exist.

    Raises:
        StackError: it exists, or another process writes it.
        OSError: it cannot be created.
    """
    _require_new(path)
    if not path.parent.is_dir():
        raise StackError(f"{path.parent} is no folder: create it, or give another file")
    _delete_partial_files(path.parent)
    partial = path.with_name(f".{path.name}{PARTIAL_FILE}")
    lock = files.lock(partial)
    if lock is None or not _is_file(lock, partial):
        raise StackError(f"another backup is being written to {path}: wait for its end")
    with open(lock, "wb") as file:  # noqa: PTH123 - a descriptor
        os.ftruncate(lock, 0)
        try:
            yield TarTarget(file, partial, path)
        finally:
            # After `finish` the descriptor is that of the complete file, under another name.
            if _is_file(lock, partial):
                files.remove(partial)


def _free_name(parent: Path) -> str:
    """Return a name for the current time that no folder has."""
    while True:
        name = datetime.now(UTC).strftime(NAME_FORMAT)
        if not os.path.lexists(parent / name):
            return name
        time.sleep(0.05)


def _delete_partial_files(parent: Path) -> None:
    """Delete the partial files that no process has locked."""
    for path in parent.glob(f".*{PARTIAL_FILE}"):
        with suppress(OSError):  # another process deletes it, or it belongs to another user
            lock = files.lock(path)
            if lock is not None:
                if _is_file(lock, path):
                    files.remove(path)
                files.unlock(lock)


def _is_file(descriptor: int, path: Path) -> bool:
    """Return whether a path names an open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _require_new(path: Path) -> None:
    if os.path.lexists(path):
        raise StackError(f"{path} exists: give another name, or delete it first")


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    return info.tobuf(tarfile.GNU_FORMAT)
