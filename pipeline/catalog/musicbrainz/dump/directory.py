"""An unpacked dump."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.catalog.musicbrainz.dump.dump_format import FOLDER, OPTIONAL, STATE_FILES, TABLES
from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.source import CountedFile, Entry
from pipeline.catalog.musicbrainz.dump.table_stream import require_columns

UNPACK: Final = "unpack the archive of the dump again, and check that the disk has enough space"


@dataclass(frozen=True, slots=True)
class DumpDirectory:
    """The files of an unpacked dump.

    Attributes:
        path: the directory of the tables.
        tables: the names of the tables that have a file.
        states: the state files.
    """

    path: Path
    tables: tuple[str, ...]
    states: tuple[Path, ...]
    needs_state: bool = False
    repair: str = UNPACK

    @property
    def size(self) -> int:
        """Bytes of all files of tables."""
        return sum((self.path / name).stat().st_size for name in self.tables)

    def entries(self, progress: Callable[[int], None]) -> Iterator[Entry]:
        """Yield the files. See `DumpSource`."""
        for path in self.states:
            with path.open("rb") as file:
                yield Entry(path.name, path.stat().st_size, file, str(path))
        for name in self.tables:
            path = self.path / name
            with path.open("rb") as file:
                size = path.stat().st_size
                yield Entry(name, size, CountedFile(file, progress), str(path))


def open_directory(directory: Path) -> DumpDirectory:
    """Check the start and the end of each file of an unpacked dump.

    Args:
        directory: the directory of the unpacked archive, or ``mbdump`` in it.

    Raises:
        DumpError: a required file is missing or empty, or a file is cut or has a wrong number of
            columns.
    """
    folder = directory / FOLDER if (directory / FOLDER).is_dir() else directory
    found = tuple(name for name in TABLES if (folder / name).is_file())
    needed = [name for name in TABLES if name not in found and name not in OPTIONAL]
    if needed:
        raise DumpError(
            f"{folder} has no file {', '.join(needed)}: give mbdump.tar.bz2 of a MusicBrainz dump, "
            "or the directory in which it was unpacked"
        )
    for name in found:
        _check(name, folder / name)
    top = folder.absolute().parent if folder.absolute().name == FOLDER else folder
    states = tuple(top / name for name in STATE_FILES if (top / name).is_file())
    return DumpDirectory(folder, found, states)


def _check(name: str, path: Path) -> None:
    with path.open("rb") as file:
        first = file.readline()
        file.seek(-min(1, len(first)), os.SEEK_END)
        last = file.read(1)
    if not first and name not in OPTIONAL:
        raise DumpError(f"{path} is empty: {UNPACK}")
    if last not in {b"", b"\n"}:
        raise DumpError(f"{path} is cut, its last line has no end: {UNPACK}")
    if first:
        require_columns(name, first.rstrip(b"\r\n"), str(path))
