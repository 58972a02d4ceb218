r"""What an import does with lines that it can't import: it stops, or names and skips them.

The file of `--rejects` has one JSON object per refused line: `file`, `line` (its number, from 1),
`reason`, and `content`, the text of the line, of which `MAX_CONTENT` bytes are kept. Bytes that are
not UTF-8 are written as ``\\xNN``.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self

OnError = Literal["stop", "skip"]
"""The values of the option `--on-error`."""

MAX_CONTENT: Final = 1024 * 1024
"""The number of bytes of a refused line that are written to the file of `--rejects`."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or a file of audio, that can't be imported.

    Attributes:
        file: the path of the file, as messages show it.
        number: the number of the line, from 1; 0 if the file has no lines.
        reason: why it is refused, and what to change.
        content: the line, or its start, without the line end.
    """

    file: str
    number: int
    reason: str
    content: bytes = field(default=b"", repr=False)

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.number}" if self.number else self.file

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class BadLineError(ValueError):
    """A line can't be imported, and the run stops. The text is ``FILE:LINE: reason``."""

    def __init__(self, line: BadLine) -> None:
        super().__init__(str(line))
        self.line = line


class Rejects:
    """The refused lines of a run. A context manager, which closes the file.

    Attributes:
        count: the number of lines that were skipped.

    Args:
        on_error: what happens at a refused line.
        path: the file that gets the refused lines, to which a run appends; None for no file.
        tell: shows a line of text to the user.

    Raises:
        OSError: the file can't be opened.
    """

    def __init__(self, on_error: OnError, path: Path | None, tell: Callable[[str], None]) -> None:
        self.count = 0
        self._stops = on_error == "stop"
        self._tell = tell
        self._file: IO[str] | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: BadLine) -> None:
        """Write a refused line to the file, and stop the run or tell why the line is skipped.

        Raises:
            BadLineError: the run stops. The caller shows its text.
            OSError: the file can't be written.
        """
        if self._file is not None:
            self._file.write(_record(line))
        if self._stops:
            self.flush()
            raise BadLineError(line)
        self.count += 1
        self._tell(str(line))

    def flush(self) -> None:
        """Write the file to the disk. Call it before the batch of the lines is committed.

        A run that is killed between the two calls names the lines of that batch again.

        Raises:
            OSError: the file can't be written.
        """
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())


def _record(line: BadLine) -> str:
    content = line.content[:MAX_CONTENT].decode(errors="backslashreplace")
    record = {
        "file": line.file,
        "line": line.number,
        "reason": line.reason,
        "content": content,
    }
    return json.dumps(record, ensure_ascii=False) + "\n"
