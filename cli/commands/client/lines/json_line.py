"""Reads the entries of a file of JSON lines."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from cli.commands.client.entries.entry import Entry, IsDone, Item, Refusal, never_done
from cli.commands.client.lines.input import MAX_LINE, InputError, LongLine, read_lines
from cli.errors import StackError

MAX_DIGITS: Final = 400
"""The maximum number of digits of an integer. Python refuses to convert more than 4300."""

GIVE_UP_AFTER: Final = 100
"""A file of which this number of lines, from its start, has no JSON object is another kind."""


class InvalidLineError(ValueError):
    """A line is not a JSON object that can be sent. The text says why."""


def read_entries(source: Path | None, is_done: IsDone = never_done) -> Iterator[Item]:
    """Yield the entries of a file, in order. Blank lines are left out.

    Args:
        source: a JSON-lines file, plain or compressed with gzip; None is standard input.
        is_done: returns whether to leave out a line, by its number and its bytes.

    Yields:
        an entry for each line that is a JSON object, a refusal for each other one.

    Raises:
        StackError: the file cannot be opened, or none of its lines, or of the first ones of many,
            has a JSON object. Then no refusal is yielded.
    """
    number = 0
    held: list[Item] | None = []  # refusals before the first object; None after it
    try:
        for line in read_lines(source):
            number += 1
            identity = b"%d bytes" % line.size if isinstance(line, LongLine) else line.strip()
            if not identity:
                continue
            if is_done(number, identity):
                held = None
                continue
            item = _item(number, identity, line)
            if held is None:
                yield item
                continue
            held.append(item)
            if identity.startswith(b"{"):
                yield from held
                held = None
            elif number >= GIVE_UP_AFTER:
                raise _other_kind(source, f"the first {number} lines have")
    except InputError as error:
        raise StackError(f"line {number + 1}: {error}") from error
    if held:
        raise _other_kind(source, f"{'its lines have' if number > 1 else 'its line has'}")


def _other_kind(source: Path | None, lines: str) -> StackError:
    return StackError(
        f"{source or 'standard input'} has no lines of fingerprints: {lines} no JSON object. Give "
        "a file with one JSON object per line"
    )


def _item(number: int, identity: bytes, line: bytes | LongLine) -> Item:
    name = f"line {number}"
    if isinstance(line, LongLine):
        reason = f"it has {line.size} bytes; a line may have {MAX_LINE}"
        return Refusal(number, name, identity, reason)
    try:
        return Entry(number, name, identity, parse_line(identity))
    except InvalidLineError as error:
        return Refusal(number, name, identity, str(error))


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        InvalidLineError: the line is not valid UTF-8 or JSON, is not an object, has a number that
            is not finite or too long, is nested too deeply, or has a text with a NUL character or
            a surrogate without its pair.
    """
    try:
        found = _DECODER.decode(line.decode())
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise InvalidLineError(f"byte {error.start + 1} is not valid UTF-8") from error
    except UnicodeEncodeError as error:
        raise InvalidLineError("a text has a lone surrogate, which is not valid Unicode") from error
    except json.JSONDecodeError as error:
        raise InvalidLineError(f"not valid JSON: {error.msg} at character {error.colno}") from error
    except RecursionError as error:
        raise InvalidLineError("its values are nested too deeply") from error
    if not isinstance(found, dict):
        raise InvalidLineError("not a JSON object")
    if b"\\u0000" in line and _has_nul(found):
        raise InvalidLineError("a text has a NUL character")
    return found


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise InvalidLineError(f"a number has {len(text)} digits; {MAX_DIGITS} are possible")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise InvalidLineError(f"the number {text[:20]} is too large")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise InvalidLineError(f"{text} is not a JSON number")


_DECODER: Final = json.JSONDecoder(
    parse_float=_number, parse_int=_integer, parse_constant=_refuse_constant
)
