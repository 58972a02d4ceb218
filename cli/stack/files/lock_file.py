"""A lock file: a regular file that one process locks, with the pid of this process as its text."""

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from cli.errors import StackError

_MAX_SIZE: Final = 64
_NO_LOCK_FILE: Final = (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO)
"""Errors of `os.open` for a symbolic link, a directory and a socket."""


class LockFile:
    """A lock file, which is opened again at each attempt to lock it.

    Args:
        path: its path.
        create: whether to create it if it is missing.
    """

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_CREAT if create else 0)
        self._handle: int | None = None

    def take(self) -> bool:
        """Lock the file; return False if another process has locked it, or replaces it now.

        Raises:
            OSError: it cannot be opened.
            StackError: it is a symbolic link or another file that is no lock file.
        """
        return self._lock(fcntl.LOCK_EX)

    def is_free(self) -> bool:
        """Return whether no process has locked the file. Two processes may ask at once.

        Raises: as `take`.
        """
        return self._lock(fcntl.LOCK_SH)

    def _lock(self, mode: int) -> bool:
        self.close()
        handle = self._handle = self._open()
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(handle), self._path.lstat())
        except (BlockingIOError, FileNotFoundError):
            return False

    def pid(self) -> int | None:
        """Return the pid in the file; None if there is none. `take` must have been called."""
        text = self._text().strip(b"\0 \n")
        return int(text) if text.isdigit() else None

    def write_pid(self) -> None:
        """Write the pid of this process into the file, which it has locked."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        """Release the lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        try:
            handle = os.open(self._path, self._flags, 0o600)
        except OSError as error:
            if error.errno in _NO_LOCK_FILE:
                raise self._no_lock_file() from error
            raise
        self._handle = handle
        if not stat.S_ISREG(os.fstat(handle).st_mode) or not self._has_only_a_pid():
            self.close()
            raise self._no_lock_file()
        return handle

    def _has_only_a_pid(self) -> bool:
        """Return whether nothing is lost if the text is replaced; zeros may follow a crash."""
        text = self._text()
        return len(text) <= _MAX_SIZE and (
            text.strip(b"\0 \n").isdigit() or not text.strip(b"\0 \n")
        )

    def _text(self) -> bytes:
        return b"" if self._handle is None else os.pread(self._handle, _MAX_SIZE + 1, 0)

    def _no_lock_file(self) -> StackError:
        return StackError(
            f"{self._path} is no lock file of a stack, but a symbolic link, another kind of file "
            "or a file with other contents: move it to another directory"
        )
