"""A dump as a sequence of files, in an archive or in a directory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Readable(Protocol):
    """A file that is read from its start to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a dump.

    Attributes:
        name: the name of a state file or of a table.
        size: bytes.
        file: its content. It can be read until the next entry is requested.
        where: its place, for errors.
    """

    name: str
    size: int
    file: Readable
    where: str


class DumpSource(Protocol):
    """A dump on a disk."""

    @property
    def path(self) -> Path:
        """What the user gave."""
        ...

    @property
    def needs_state(self) -> bool:
        """Whether a dump without state files is refused."""
        ...

    @property
    def repair(self) -> str:
        """What to do if the dump is damaged."""
        ...

    @property
    def size(self) -> int:
        """Bytes that are read from the disk."""
        ...

    def entries(self, progress: Callable[[int], None]) -> Iterator[Entry]:
        """Yield the state files and the tables that this service has, in the order of the dump.

        Args:
            progress: is called with the number of bytes that were read from the disk.

        Raises:
            DumpError: the dump is cut or damaged, or is no dump. An error may be raised by a read
                of an entry, too.
        """
        ...


class CountedFile:
    """A file that reports the number of bytes read.

    Args:
        file: opened for reading.
        progress: is called with the number of bytes of each read.
    """

    def __init__(self, file: Readable, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        piece = self._file.read(size)
        self._progress(len(piece))
        return piece
