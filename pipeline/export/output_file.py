"""Writes files of an export: complete under their name, or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from isal import isal_zlib

from pipeline.storage import files

PREFIX: Final = ".new-"
"""What the names of partly written files begin with."""

_COMPRESSION: Final = 3
"""ISA-L's best level: files 2% larger than those of zlib's level 6, in a twentieth of its time."""

_GZIP: Final = 31
"""The number of zlib for the largest window and the format of gzip."""

_BUFFERED: Final = 1 << 18
"""Bytes of lines that are compressed in one step."""


class DataFileWriter:
    """A gzipped file of lines that is being written.

    Args:
        file: the file, opened for writing.

    Attributes:
        rows: the number of lines so far.
        size: bytes of the file, when it is closed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.rows = 0
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256()
        # Equal lines give equal bytes: the header has neither a time nor a name.
        self._compressor = isal_zlib.compressobj(_COMPRESSION, isal_zlib.DEFLATED, _GZIP)
        self._lines: list[bytes] = []
        self._waiting = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of the closed file, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, line: bytes) -> None:
        """Write a line, with its line break."""
        self.rows += 1
        self._lines.append(line)
        self._waiting += len(line)
        if self._waiting >= _BUFFERED:
            self._compress()

    def close(self) -> None:
        """Write what is missing."""
        self._compress()
        self._put(self._compressor.flush())

    def _compress(self) -> None:
        self._put(self._compressor.compress(b"".join(self._lines)))
        self._lines.clear()
        self._waiting = 0

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        self._digest.update(data)
        self._file.write(data)


@contextmanager
def data_file(path: Path, mode: int) -> Iterator[DataFileWriter]:
    """Write a data file in a block. It gets its name, durably but for the folder, at the end.

    Args:
        path: its path; a file there is replaced.
        mode: the permissions, which the umask of the process restricts.

    Raises:
        OSError: the disk is full or failing. The partly written file is removed.
    """
    with _replacing(path, mode) as file:
        writer = DataFileWriter(file)
        yield writer
        writer.close()


def write_text(path: Path, text: str, mode: int) -> None:
    """Replace the content of a file durably.

    Raises:
        OSError: the disk is full or failing. The file has the old content then.
    """
    with _replacing(path, mode) as file:
        file.write(text.encode())
    files.sync_directory(path.parent)


@contextmanager
def _replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    temporary = path.with_name(PREFIX + path.name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            yield file
            file.flush()
            files.sync(file.fileno())
        files.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            files.remove(temporary)
        raise
