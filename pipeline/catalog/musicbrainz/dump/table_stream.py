"""The rows of a table on their way to COPY, checked while they are read."""

import hashlib
from dataclasses import dataclass
from typing import Final

from pipeline.catalog.musicbrainz.dump.errors import DumpError
from pipeline.catalog.musicbrainz.dump.source import Entry
from pipeline.catalog.musicbrainz.tables import METADATA, SCHEMA

PIECE: Final = 1 << 20
"""Bytes of one read."""

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line. Without a limit PostgreSQL would need up to 1 GiB of memory for one line."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was read of a table.

    Attributes:
        size: bytes.
        sha256: the digest of these bytes, in hexadecimal.
        lines: number of lines; each is a row.
    """

    size: int
    sha256: str
    lines: int


class TableStream:
    """A file for COPY in the text format.

    psycopg2 replaces an error of `read` by one of its own. The error is therefore kept in `error`.

    Args:
        entry: the file of a table.
        repair: what to do if the file is cut.

    Attributes:
        error: the error of the last read.
    """

    def __init__(self, entry: Entry, repair: str) -> None:
        self.error: Exception | None = None
        self._entry = entry
        self._repair = repair
        self._hash = hashlib.sha256()
        self._size = 0
        self._lines = 0
        self._open = 0  # bytes of the line that has no end yet

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes, at most `PIECE`.

        Raises:
            DumpError: the file is damaged, a line is too long, or the first line has a wrong number
                of columns.
        """
        try:
            piece = self._entry.file.read(min(size, PIECE) if size > 0 else PIECE)
            if piece:
                self._check(piece)
        except Exception as error:
            self.error = error
            raise
        return piece

    def drain(self) -> Content:
        """Read the rest, and return what was read.

        Raises:
            DumpError: as by `read`, or the last line has no end.
        """
        while self.read(PIECE):
            pass
        if self._open:
            raise DumpError(f"{self._entry.where} is cut, its last line has no end: {self._repair}")
        return Content(self._size, self._hash.hexdigest(), self._lines)

    def _check(self, piece: bytes) -> None:
        first, last = piece.find(b"\n"), piece.rfind(b"\n")
        longest = self._open + (len(piece) if first < 0 else first)
        if longest > LONGEST_LINE:
            raise DumpError(
                f"{self._entry.where} has a line of over {LONGEST_LINE} bytes, which no dump of "
                f"MusicBrainz has: {self._repair}"
            )
        if not self._size and first >= 0:
            require_columns(self._entry.name, piece[:first], self._entry.where)
        self._open = longest if first < 0 else len(piece) - last - 1
        self._lines += piece.count(b"\n")
        self._size += len(piece)
        self._hash.update(piece)


def require_columns(table: str, line: bytes, where: str) -> None:
    r"""Compare the number of columns of a line with that of its table.

    Args:
        table: the name of the table.
        line: a line in the text format of COPY. A tab within a value is written as ``\t``.
        where: the file, for the error.

    Raises:
        DumpError: the numbers differ.
    """
    columns = METADATA.tables[f"{SCHEMA}.{table}"].columns.keys()
    found = line.count(b"\t") + 1
    if found != len(columns):
        raise DumpError(
            f"{where} has {found} columns and the table {len(columns)} ({', '.join(columns)}): the "
            "dump has another version of the schema"
        )
