"""Files of lines: which ones are imported, how far earlier runs have received them, and the steps.

A file is read twice. The first time, its lines are counted, and compared with what earlier runs
have received. A file that has grown is imported from its first new line. One whose received lines
have changed is refused, and a copy of an imported file is left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.commands.client.entries.entry import Item, Refusal
from cli.commands.data.catalogues.csv_records import read_columns, read_records
from cli.commands.data.catalogues.json_records import read_objects
from cli.commands.data.catalogues.numbered_lines import NumberedLines
from cli.commands.data.catalogues.steps import Format, SourceError, Step, stored_path
from cli.printable import printable_path
from pipeline.bulk_import.rejects import BadLineError
from pipeline.bulk_import.submissions.progress import FileProgress

SUFFIXES: Final[dict[Format, tuple[str, ...]]] = {
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson", ".json"),
}
"""The suffixes of the files that are read below a folder, before ``.gz``."""

Find = Callable[[str], FileProgress | None]
"""Returns the progress of earlier runs in a file, by its absolute path."""

FindCopy = Callable[[bytes], str | None]
"""Returns the path of an imported file with the same lines, by their digest."""


@dataclass(frozen=True, slots=True)
class LineFile:
    """A file of lines to import.

    Attributes:
        path: the file.
        kind: its format.
        lines: the number of its lines; without those after a damaged place.
        done: the number of lines that earlier runs have received.
        note: what the user is told about it; empty for nothing.
    """

    path: Path
    kind: Format
    lines: int
    done: int = 0
    note: str = ""

    @property
    def name(self) -> str:
        """Its path in messages."""
        return printable_path(self.path)

    def steps(self) -> Iterator[Step]:
        """Yield a step for each entry after those of earlier runs, then one for the end.

        If the rest of the file can't be read, the last step is a refusal, without progress.

        Raises:
            SourceError: the first line of a CSV file names no columns.
            StackError: the file can't be opened.
        """
        lines = NumberedLines(self.path)
        items = self._items(lines)
        reached = self._progress(lines)
        last = self.done
        try:
            for item in items:
                reached = self._progress(lines)
                yield Step(self.name, item, reached, lines.number - last)
                last = lines.number
        except BadLineError as error:
            place = error.line
            refusal = Refusal(place.number, place.place, b"", place.reason)
            yield Step(self.name, refusal, reached, 0)
            return
        end = self._progress(lines, is_finished=True)
        yield Step(self.name, None, end, lines.number - last)

    def _items(self, lines: NumberedLines) -> Iterator[Item]:
        if self.kind == "csv":
            columns = read_columns(lines)
            lines.skip(self.done)
            return read_records(lines, columns, self.name)
        lines.skip(self.done)
        return read_objects(lines, self.name)

    def _progress(self, lines: NumberedLines, *, is_finished: bool = False) -> FileProgress:
        return FileProgress(stored_path(self.path), lines.digest(), lines.number, is_finished)


def find_files(source: Path, kind: Format) -> list[Path]:
    """Return a file, or the files of a format in a folder and the folders below it, by path.

    Raises:
        SourceError: there is none.
    """
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise SourceError(f"{printable_path(source)} is neither a file nor a folder")
    suffixes = SUFFIXES[kind]
    found = sorted(
        path
        for path in source.rglob("*")
        if path.name.lower().removesuffix(".gz").endswith(suffixes) and path.is_file()
    )
    if not found:
        named = ", ".join(f"*{suffix}, *{suffix}.gz" for suffix in suffixes)
        raise SourceError(f"{printable_path(source)} has no file {named}")
    return found


def examine(path: Path, kind: Format, find: Find, find_copy: FindCopy) -> LineFile:
    """Count the lines of a file, and compare it with what earlier runs have received.

    Args:
        path: a regular file.
        kind: its format.
        find: see `Find`.
        find_copy: see `FindCopy`.

    Raises:
        SourceError: it can't be imported as a whole.
        StackError: it can't be opened.
    """
    earlier = find(stored_path(path))
    lines = NumberedLines(path)
    is_same, is_whole = earlier is None, True
    try:
        if kind == "csv":
            _check_header(path, lines)
        if earlier:
            is_same = lines.skip(earlier.lines) and lines.digest() == earlier.digest
        for _ in lines:
            pass
    except BadLineError:  # the last step names the place
        is_whole = False
    if not is_same and earlier:
        raise SourceError(
            f"{printable_path(path)}: its first {earlier.lines} lines were imported, and have "
            "changed since. Give new and corrected lines in a file of another name"
        )
    if earlier:
        note = "imported before" if lines.number == earlier.lines else "goes on"
        return LineFile(
            path, kind, lines.number, earlier.lines, f"{note}, after line {earlier.lines}"
        )
    copy = find_copy(lines.digest()) if is_whole and lines.number else None
    if copy is not None:
        return LineFile(path, kind, lines.number, lines.number, f"imported before, as {copy}")
    return LineFile(path, kind, lines.number)


def _check_header(path: Path, lines: NumberedLines) -> None:
    try:
        read_columns(lines)
    except SourceError as error:
        raise SourceError(f"{printable_path(path)}: {error}") from error
