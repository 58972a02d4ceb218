"""The lines of a file with their numbers, and the digest of those that were read."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from cli.commands.client.lines.input import InputError, LongLine, read_lines
from cli.commands.data.catalogues.steps import SourceError
from cli.printable import printable_path
from pipeline.bulk_import.rejects import BadLine, BadLineError

_REPORT_EVERY: Final = 1000  # lines


class NumberedLines(Iterator[bytes | LongLine]):
    """The lines of a file, plain or compressed with gzip. Memory is bounded: see `read_lines`.

    Attributes:
        number: the number of lines that were read.

    Args:
        path: a regular file.

    Raises:
        SourceError: it is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceError(
                f"{printable_path(path)} is not a regular file: it is read twice, so a pipe can't "
                "be imported"
            )
        self.number = 0
        self._path = path
        self._digest = hashlib.sha256()
        self._lines = read_lines(path)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes | LongLine:
        """Return the next line, without its end.

        Raises:
            BadLineError: the rest of the file can't be read, because it is damaged or cut.
            StackError: the file can't be opened.
        """
        try:
            line = next(self._lines)
        except InputError as error:
            place = BadLine(printable_path(self._path), self.number + 1, str(error))
            raise BadLineError(place) from error
        self.number += 1
        content = b"%d bytes" % line.size if isinstance(line, LongLine) else line
        self._digest.update(b"%d " % len(content))
        self._digest.update(content)
        return line

    def digest(self) -> bytes:
        """Return the SHA-256 digest of the lines that were read, with their lengths."""
        return self._digest.digest()

    def skip(self, number: int) -> bool:
        """Read lines until `number` lines were read; return whether there are so many."""
        while self.number < number:
            if next(self, None) is None:
                return False
        return True
