"""Reads the records of a CSV file (RFC 4180), whose first record names the columns.

The columns have the names of the fields of `acoustid submit`. Others are ignored. A quoted value
may contain line breaks, so a record may have several lines; it has the number of its first one.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cli.commands.client.entries.entry import PARAMETERS, Entry, Item, Refusal
from cli.commands.client.lines.input import MAX_LINE, LongLine
from cli.commands.data.catalogues.numbered_lines import NumberedLines
from cli.commands.data.catalogues.steps import SourceError

DELIMITERS: Final = (",", ";", "\t")
"""The characters that may separate values; the header shows which one does."""

REQUIRED: Final = ("fingerprint", "duration")
"""The columns that a file must have."""


class InvalidRecordError(ValueError):
    """A record can't be read. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The header of a file.

    Attributes:
        names: the names of the columns, in lower case.
        delimiter: the character between two values.
    """

    names: Sequence[str]
    delimiter: str


@dataclass
class _RecordLines:
    """The lines of one record, as texts; an iterator for `csv.reader`.

    Attributes:
        content: the bytes of the lines that were read.
    """

    lines: NumberedLines
    content: bytearray = field(default_factory=bytearray)

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            if isinstance(line, LongLine):
                raise InvalidRecordError(f"it has {line.size} bytes; a line may have {MAX_LINE}")
            if len(self.content) + len(line) > MAX_LINE:
                raise InvalidRecordError(
                    f"it has more than {MAX_LINE} bytes: a quotation mark may be missing"
                )
            self.content += line + b"\n"
            if b"\0" in line:
                raise InvalidRecordError("a text has a NUL character")
            try:
                yield line.decode() + "\n"
            except UnicodeDecodeError as error:
                raise InvalidRecordError(f"byte {error.start + 1} is not valid UTF-8") from error


def read_columns(lines: NumberedLines) -> Columns:
    """Read the header of a file.

    Raises:
        SourceError: the first record names no fingerprint or no duration.
    """
    first = _RecordLines(lines)
    try:
        text = next(iter(first), "")
    except InvalidRecordError as error:
        raise SourceError(f"its first line can't be read: {error}") from error
    for delimiter in DELIMITERS:
        [names] = list(csv.reader([text], delimiter=delimiter)) or [[]]
        known = [name.strip().lower() for name in names]
        if set(REQUIRED) <= set(known):
            _check_unique(known)
            return Columns(known, delimiter)
    raise SourceError(
        "its first line must name the columns, with `fingerprint` and `duration` among them, "
        f"separated by commas, semicolons or tabs. Other columns may be: {_optional()}"
    )


def read_records(lines: NumberedLines, columns: Columns, name: str) -> Iterator[Item]:
    """Yield an entry, or a refusal, for each record after the current line.

    Args:
        lines: the lines of the file.
        columns: the columns of the file.
        name: the name of the file.

    Raises:
        BadLineError: the file is damaged.
    """
    before = csv.field_size_limit(MAX_LINE)
    try:
        while True:
            start = lines.number + 1
            record = _RecordLines(lines)
            try:
                reader = csv.reader(record, delimiter=columns.delimiter, strict=True)
                values = next(reader, None)
            except (csv.Error, InvalidRecordError) as error:
                reason = str(error)
                if "unexpected end of data" in reason:
                    reason = "the file ends within a quoted value: a quotation mark is missing"
                yield Refusal(start, f"{name}:{start}", bytes(record.content), reason)
                continue
            if values is None:
                return
            if values:
                yield _item(start, f"{name}:{start}", bytes(record.content), columns, values)
    finally:
        csv.field_size_limit(before)


def _item(number: int, name: str, content: bytes, columns: Columns, values: Sequence[str]) -> Item:
    content = content.removesuffix(b"\n")
    if len(values) != len(columns.names):
        reason = f"it has {len(values)} values, and the first line {len(columns.names)} columns"
        return Refusal(number, name, content, reason)
    fields = dict(zip(columns.names, values, strict=True))
    mbids = fields.get("mbid", "").replace(";", " ").split()
    return Entry(number, name, content, {**fields, "mbid": mbids})


def _check_unique(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if name in PARAMETERS and names.count(name) > 1})
    if twice:
        raise SourceError(f"its first line names the column {twice[0]} twice")


def _optional() -> str:
    return ", ".join(f"`{name}`" for name in PARAMETERS if name not in REQUIRED)
