"""Checks the values of a line, and converts them to those of the database."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pipeline.catalog.binary_copy import Column, booleans, integers, octets

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime(1970, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_UNIX_EPOCH: Final = _FIRST / 1e6  # seconds from the epoch of PostgreSQL
_AHEAD: Final = 24 * 3600
"""Seconds by which a time may be later than now: clocks differ."""

MAX_INTEGER: Final = 2**31 - 1
MAX_SMALL: Final = 2**15 - 1
MAX_BIG: Final = 2**63 - 1
MAX_TEXT: Final = 1 << 16
"""Maximum number of characters of a text."""

MAX_NAME: Final = 500
"""Maximum number of characters of a text with a unique index, whose rows have 2,704 bytes."""


Values = list[Any]
"""The values of a row, in the order of its columns."""


class LineError(ValueError):
    """A line can't be imported. The message has the reason."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values.

    Attributes:
        sql: the type in SQL.
        read: converts a value of JSON.
        encode: encodes a column for ``COPY``.

    Raises:
        LineError: by `read`: the value is wrong. The message continues ``<field> ...``.
    """

    sql: str
    read: Callable[[Any], Any]
    encode: Callable[[list[Any]], Column]


def _integer(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:  # noqa: ANN401 - any value of JSON
        if type(value) is not int:
            raise LineError("is not an integer")
        if not least <= value <= most:
            raise LineError(f"is not between {least} and {most}")
        return value

    return read


def _uuid(value: Any) -> bytes:  # noqa: ANN401
    if type(value) is not str or len(value) != 36:
        raise LineError("is not a UUID")
    try:
        found = UUID(value)
    except ValueError:
        raise LineError("is not a UUID") from None
    if str(found) != value.lower():
        raise LineError("is not a UUID")
    return found.bytes


def _time(value: Any) -> int:  # noqa: ANN401
    if type(value) is not str:
        raise LineError("is not a time")
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        microseconds = (found - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        raise LineError("is not a time such as 2026-12-01T00:00:00+00:00") from None
    # A row with a later time would hide each change until then. Other times have no day.
    if not _FIRST <= microseconds <= (time.time() + _UNIX_EPOCH + _AHEAD) * 1e6:
        raise LineError("is not between 1970 and now")
    return microseconds


def _text(most: int) -> Callable[[Any], bytes]:
    def read(value: Any) -> bytes:  # noqa: ANN401
        if type(value) is not str:
            raise LineError("is not a text")
        if len(value) > most:
            raise LineError(f"has more than {most} characters")
        if "\0" in value:
            raise LineError("contains the character NUL")
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise LineError("contains half of a surrogate pair") from None

    return read


def _boolean(value: Any) -> bool:  # noqa: ANN401
    if type(value) is not bool:
        raise LineError("is not true or false")
    return value


def _as_integers(bits: int) -> Callable[[list[Any]], Column]:
    return lambda values: integers(values, bits)


ID: Final = Kind("integer", _integer(1, MAX_INTEGER), _as_integers(32))
COUNT: Final = Kind("integer", _integer(0, MAX_INTEGER), _as_integers(32))
NUMBER: Final = Kind("integer", _integer(-MAX_INTEGER - 1, MAX_INTEGER), _as_integers(32))
SMALL: Final = Kind("smallint", _integer(1, MAX_SMALL), _as_integers(16))
BIG_ID: Final = Kind("bigint", _integer(1, MAX_BIG), _as_integers(64))
UUIDS: Final = Kind("uuid", _uuid, octets)
TIME: Final = Kind("timestamptz", _time, _as_integers(64))
TEXT: Final = Kind("text", _text(MAX_TEXT), octets)
NAME: Final = Kind("text", _text(MAX_NAME), octets)
BOOLEAN: Final = Kind("boolean", _boolean, booleans)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a line.

    Attributes:
        name: its name in the line, and that of the column of the staging table.
        kind: its type.
        default: the value if the field is missing or null; `REQUIRED` if it must be there.
    """

    name: str
    kind: Kind
    default: Any = None


REQUIRED: Final = object()


def read_fields(fields: tuple[Field, ...], content: Mapping[str, Any]) -> list[Any]:
    """Return the values of a line in the order of the fields.

    Raises:
        LineError: a value is missing or wrong. The message names it.
    """
    values = []
    for field in fields:
        value = content.get(field.name)
        if value is not None:
            try:
                value = field.kind.read(value)
            except LineError as error:
                raise LineError(f"{field.name} {error}") from None
        elif field.default is REQUIRED:
            raise LineError(f"{field.name} is missing")
        else:
            value = field.default
        values.append(value)
    return values
