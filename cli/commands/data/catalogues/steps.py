"""Steps through the input of an import: an entry or a refusal each, and the progress after it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cli.commands.client.entries.entry import Item
from pipeline.bulk_import.submissions.progress import FileProgress

Format = Literal["csv", "jsonl", "audio"]
"""The formats of other catalogues: values of the option `--format`."""

FORMATS: Final[tuple[Format, ...]] = ("csv", "jsonl", "audio")


class SourceError(ValueError):
    """The input as a whole can't be imported. The text says what to change."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line or audio file of the input, or the end of a file of lines.

    Attributes:
        file: the file, as messages show it.
        item: the entry, or why it is refused; None at the end of a file.
        progress: the progress in the file after this step.
        lines: the number of lines since the last step.
        repeats_refused: whether a refused entry is not counted as progress, so that the next run
            reads it again.
    """

    file: str
    item: Item | None
    progress: FileProgress
    lines: int = 1
    repeats_refused: bool = False

    @property
    def number(self) -> int:
        """The number of the line, for messages; 0 for an audio file."""
        return 0 if self.item is None or self.repeats_refused else self.item.position


def stored_path(path: Path) -> str:
    """Return the absolute path as a text that a database can store."""
    return os.fsencode(path.absolute()).decode(errors="backslashreplace")
