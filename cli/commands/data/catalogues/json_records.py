"""Reads the entries of a file of JSON lines, as `acoustid submit` does."""

from collections.abc import Iterator

from cli.commands.client.entries.entry import Entry, Item, Refusal
from cli.commands.client.lines.input import MAX_LINE, LongLine
from cli.commands.client.lines.json_line import InvalidLineError, parse_line
from cli.commands.data.catalogues.numbered_lines import NumberedLines


def read_objects(lines: NumberedLines, name: str) -> Iterator[Item]:
    """Yield an entry, or a refusal, for each line after the current one; leave out blank ones.

    Args:
        lines: the lines of the file.
        name: the name of the file.

    Raises:
        BadLineError: the file is damaged.
    """
    for line in lines:
        number = lines.number
        place = f"{name}:{number}"
        if isinstance(line, LongLine):
            reason = f"it has {line.size} bytes; a line may have {MAX_LINE}"
            yield Refusal(number, place, b"", reason)
            continue
        content = line.strip()
        if not content:
            continue
        try:
            yield Entry(number, place, content, parse_line(content))
        except InvalidLineError as error:
            yield Refusal(number, place, content, str(error))
