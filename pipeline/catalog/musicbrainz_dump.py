"""The files of a MusicBrainz dump: one for each table, named like it, in COPY's text format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz_tables import METADATA

FOLDER: Final = "mbdump"
"""The directory that a dump's archive holds."""

OPTIONAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "area": "nothing that lookups show",
        "artist_credit": "nothing that lookups show",
        "iso_3166_1": "the countries of release events",
        "isrc": "ISRCs",
        "medium_format": "the formats of mediums",
        "recording_gid_redirect": "where merged recordings went",
        "release_country": "release events",
        "release_group_primary_type": "the types of release groups",
        "release_group_secondary_type": "the secondary types of release groups",
        "release_group_secondary_type_join": "the secondary types of release groups",
        "release_unknown_country": "release events of an unknown country",
        "replication_control": "the date of the dump",
    }
)
"""Tables that metadata can do without, and what is then missing."""


class DumpError(ValueError):
    """A dump can't be loaded; the text says what to change."""


@dataclass(frozen=True, slots=True)
class DumpFile:
    """One table's file.

    Attributes:
        size: bytes.
    """

    table: sa.Table
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Dump:
    """What a directory holds.

    Attributes:
        files: of the tables, in the order of their names.
        missing: optional tables without a file.
    """

    files: tuple[DumpFile, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def open_dump(directory: Path) -> Dump:
    """Return the files of an unpacked dump, after a look at the first line of each.

    Args:
        directory: where the archive was unpacked, or its ``mbdump``.

    Raises:
        DumpError: a file that is needed is missing, or has another number of columns.
    """
    folder = directory / FOLDER if (directory / FOLDER).is_dir() else directory
    tables = sorted(METADATA.tables.values(), key=lambda table: table.name)
    absent = [table.name for table in tables if not (folder / table.name).is_file()]
    needed = [name for name in absent if name not in OPTIONAL]
    if needed:
        raise DumpError(
            f"{folder} lacks {', '.join(needed)}: unpack mbdump.tar.bz2 of a MusicBrainz dump "
            "there, or name the directory where it is"
        )
    files = tuple(_file(table, folder / table.name) for table in tables if table.name not in absent)
    return Dump(files, tuple(absent))


class CountedFile:
    """A file for COPY that tells how much of it was read.

    Args:
        file: opened for reading.
        progress: called with the bytes of each piece.
    """

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        """Return the next piece."""
        piece = self._file.read(size)
        self._progress(len(piece))
        return piece


def _file(table: sa.Table, path: Path) -> DumpFile:
    with path.open("rb") as file:
        first = file.readline()
    found = first.rstrip(b"\r\n").count(b"\t") + 1  # a tab within a value is written \t
    wanted = len(table.columns)
    if first and found != wanted:
        raise DumpError(
            f"{path} has {found} columns where the table has {wanted} "
            f"({', '.join(table.columns.keys())}): the dump is of another version of the schema"
        )
    return DumpFile(table, path, path.stat().st_size)
