"""Compares the parts of a segment's file with their checksums.

The file is read, not mapped: a part of a mapped file that is cut off or cannot be read would end
the process.
"""

from __future__ import annotations

import errno
import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pipeline.storage.segment_files import with_either_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.storage.format import CheckedPart

CHUNK: Final = 1 << 20
"""Bytes that are read at once."""


def damage_in(path: Path, size: int, parts: Iterable[CheckedPart]) -> str:
    """Return the damage of a segment's file as a verb phrase; an empty text if there is none.

    Args:
        path: the file; before its commit it has another name.
        size: its expected length in bytes.
        parts: the parts to check.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file cannot be opened.
    """
    with opened(path) as descriptor:
        if problem := wrong_length(descriptor, size):
            return problem
        for part in parts:
            checksum, problem = continued(descriptor, part.start, part.end, 0)
            if problem := problem or mismatch(part, checksum):
                return problem
    return ""


def continued(descriptor: int, start: int, end: int, checksum: int) -> tuple[int, str]:
    """Continue a CRC-32 with the bytes from `start` to `end`.

    Returns:
        The new checksum; the damage if the bytes cannot be read, else an empty text.
    """
    while start < end:
        try:
            data = os.pread(descriptor, min(CHUNK, end - start), start)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return checksum, f"cannot be read at byte {start} ({error.strerror})"
        if not data:
            return checksum, f"ends at byte {start}"
        checksum = zlib.crc32(data, checksum)
        start += len(data)
    return checksum, ""


def mismatch(part: CheckedPart, checksum: int) -> str:
    """Return the damage of a part that has another checksum; an empty text if it has its own."""
    if checksum == part.checksum:
        return ""
    return f"has damaged {part.name} (CRC-32 does not match)"


def wrong_length(descriptor: int, size: int) -> str:
    """Return the damage of a file that does not have its length; an empty text if it has."""
    found = os.fstat(descriptor).st_size
    return "" if found == size else f"has {found} bytes, but {size} in the manifest"


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a segment's file for reading, by its final name or that before its commit."""
    descriptor = with_either_name(path, lambda name: os.open(name, os.O_RDONLY | os.O_CLOEXEC))
    try:
        yield descriptor
    finally:
        os.close(descriptor)
