"""A log that is renamed when it is full. This module imports only the standard library."""

import os
from contextlib import suppress
from pathlib import Path


class RotatedFile:
    """A log of several files: ``NAME.log``, and older ones with the suffixes ``.1``, ``.2`` ...

    A new file starts at the beginning of a line. So no line is in two files, unless it is longer
    than twice the size.

    Args:
        path: the path of the newest file.
        size: the size in bytes at which a new file is started.
        old_files: the number of older files that are kept.
    """

    def __init__(self, path: Path, size: int, old_files: int) -> None:
        self.path = path
        self._size = size
        self._old_files = old_files
        self._handle = -1
        self._length = 0
        self._at_line_start = True

    def write(self, data: bytes) -> None:
        """Append bytes, and rotate the files where necessary.

        Raises:
            OSError: a part of the bytes could not be written; it is lost.
        """
        self._follow_path()
        while data:
            end = self._end_of_part(data)
            if end == 0:
                self._start_new()
            self._append(data[:end])
            data = data[end:]

    def rotate_if_full(self) -> None:
        """Start a new file if the newest one has reached the size.

        Raises:
            OSError: the files cannot be renamed.
        """
        self._follow_path()
        if self._length >= self._size:
            self._start_new()

    def close(self) -> None:
        """Close the newest file. The next `write` opens it again."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _end_of_part(self, data: bytes) -> int:
        """Return the number of bytes that the newest file takes; 0 if a new file is needed."""
        room = self._size - self._length
        if len(data) <= room:
            return len(data)
        end = data.rfind(b"\n", 0, max(0, room)) + 1
        if end or (self._at_line_start and self._length > 0):
            return end
        # The file contains the start of this line, or only this line is longer than a file.
        end = data.find(b"\n") + 1 or len(data)
        return end if self._length + end <= 2 * self._size or self._length == 0 else 0

    def _append(self, data: bytes) -> None:
        while data:
            count = os.write(self._handle, data)
            self._length += count
            self._at_line_start = data[count - 1 : count] == b"\n"
            data = data[count:]

    def _start_new(self) -> None:
        self.close()
        shift(self.path, self._old_files)
        self._open()

    def _follow_path(self) -> None:
        """Open the file, again if another process has deleted or renamed it."""
        if self._handle >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._handle), self.path.stat()):
                    return
        self.close()
        self._open()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._handle = os.open(self.path, flags, 0o600)
        self._length = os.fstat(self._handle).st_size
        last = os.pread(self._handle, 1, self._length - 1) if self._length else b"\n"
        self._at_line_start = last == b"\n"
        delete_older(self.path, self._old_files)


def shift(path: Path, old_files: int) -> None:
    """Rename a log to ``.1``, the older ones to the next numbers, and delete the oldest."""
    for number in range(old_files, 0, -1):
        newer = numbered(path, number - 1) if number > 1 else path
        with suppress(FileNotFoundError):
            newer.replace(numbered(path, number))
    delete_older(path, old_files)


def delete_older(path: Path, old_files: int) -> None:
    """Delete the files of a log whose number is above `old_files`."""
    for found in path.parent.glob(f"{path.name}.*"):
        suffix = found.suffix.removeprefix(".")
        if suffix.isdecimal() and int(suffix) > old_files:
            found.unlink(missing_ok=True)


def numbered(path: Path, number: int) -> Path:
    """Return the path of an older file."""
    return path.with_name(f"{path.name}.{number}")
