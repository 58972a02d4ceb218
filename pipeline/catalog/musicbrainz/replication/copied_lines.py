r"""Sends lines of a packet to PostgreSQL with COPY, in bounded memory.

The files of a packet are the output of COPY in its text form: a line for each row, tabs between the
columns, ``\N`` for null, and a backslash before special characters. PostgreSQL itself reads them.
https://www.postgresql.org/docs/current/sql-copy.html
"""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Final

import psycopg2
import sqlalchemy as sa

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError

MAX_LINE: Final = 64 * 2**20
"""Maximum bytes of a line. The longest known ones, texts of annotations, have some 100 KB."""

_PIECE: Final = 1 << 18  # bytes for one call of COPY

Convert = Callable[[bytes], bytes | None]
"""Returns the line for PostgreSQL, without its end; None to leave the line out."""


def lines_of(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the lines of a member without their ends.

    Raises:
        ReplicationError: a line is too long, or the last one has no end.
    """
    buffered = io.BufferedReader(_Raw(file), _PIECE)
    number = 0
    while line := buffered.readline(MAX_LINE):
        number += 1
        if not line.endswith(b"\n"):
            raise ReplicationError(f"{name}:{number}: the line has no end, or is too long")
        yield line[:-1]


def copy_lines(
    connection: sa.Connection, statement: str, file: IO[bytes], name: str, convert: Convert
) -> None:
    """Send the lines of a member.

    Args:
        connection: a connection in a transaction.
        statement: ``COPY ... FROM STDIN``.
        file: the member.
        name: its name, for errors.
        convert: is called with each line.

    Raises:
        ReplicationError: PostgreSQL refuses a line, or a line has no end.
        psycopg2.Error: the database is unreachable, or the user lacks a permission.
    """
    source = _Source(map(convert, lines_of(file, name)))
    with closing(connection.connection.cursor()) as cursor:
        try:
            cursor.copy_expert(statement, source, _PIECE)
        except psycopg2.DataError as error:
            where = (error.diag.context or "").partition("\n")[0][:200]
            reason = error.diag.message_primary or "an invalid line"
            raise ReplicationError(f"{name}: {reason} ({where})") from error
        except psycopg2.Error:
            if source.error is not None:
                raise source.error from None  # psycopg2 has replaced it by an error of its own
            raise


class _Raw(io.RawIOBase):
    """A member of an archive as the raw stream of a buffered reader."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object) -> int:
        """Read into a buffer; return the number of bytes."""
        view = memoryview(buffer)  # type: ignore[arg-type] # typeshed's Buffer is private before 3.12
        found = self._file.read(len(view))
        view[: len(found)] = found
        return len(found)


class _Source:
    """The file that COPY reads.

    Attributes:
        error: the error of a line, which psycopg2 does not keep.
    """

    def __init__(self, lines: Iterator[bytes | None]) -> None:
        self._lines = lines
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Return whole lines, at least `size` bytes unless the member ends."""
        pieces: list[bytes] = []
        length = 0
        try:
            for line in self._lines:
                if line is not None:
                    pieces += (line, b"\n")
                    length += len(line) + 1
                    if length >= size:
                        break
        except Exception as error:
            self.error = error
            raise
        return b"".join(pieces)
