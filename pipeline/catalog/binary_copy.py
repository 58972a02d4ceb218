"""Rows in the binary format of PostgreSQL's ``COPY``.

The format is that of https://www.postgresql.org/docs/current/sql-copy.html, section "Binary
Format". A column is a list of encoded values, which the functions of this module return.
"""

import io
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain, repeat
from struct import Struct
from typing import Final

import sqlalchemy as sa

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_PIECE: Final = 1 << 17  # bytes that are sent at once
_COUNT: Final = Struct(">h")
_SIZE: Final = Struct(">i")
_INTEGERS: Final = {16: Struct(">ih"), 32: Struct(">ii"), 64: Struct(">iq")}
_BOOLEANS: Final = {None: _NULL, False: b"\0\0\0\1\0", True: b"\0\0\0\1\1"}

Column = list[bytes]
"""The encoded values of a column."""


def integers(values: Iterable[int | None], bits: int) -> Column:
    """Return a column of integers, null for None.

    Times are integers of 64 bits: microseconds since 2000-01-01 00:00 UTC.

    Args:
        values: the numbers, within the range of the type.
        bits: 16, 32 or 64.

    Raises:
        struct.error: a number is out of range.
    """
    pack, size = _INTEGERS[bits].pack, bits // 8
    return [_NULL if value is None else pack(size, value) for value in values]


def booleans(values: Iterable[bool | None]) -> Column:
    """Return a column of booleans, null for None."""
    return [_BOOLEANS[value] for value in values]


def octets(values: Iterable[bytes | None]) -> Column:
    """Return a column of ``bytea``, of ``uuid`` (16 bytes each), or of texts in UTF-8."""
    pack = _SIZE.pack
    return [_NULL if value is None else pack(len(value)) + value for value in values]


def joined(columns: Sequence[Column]) -> Column:
    """Return the values of several columns together, row by row; see `encode_rows`."""
    return [b"".join(values) for values in zip(*columns, strict=True)]


def encode_rows(columns: Sequence[Column], fields: int | None = None) -> bytes:
    """Return the rows of columns of equal length as the input of ``COPY``.

    Args:
        columns: the columns; one may be the result of `joined`.
        fields: the number of columns of the table; None for that of `columns`.
    """
    count = _COUNT.pack(len(columns) if fields is None else fields)
    values = chain.from_iterable(zip(repeat(count), *columns, strict=False))
    return b"".join(chain((_HEADER,), values, (_TRAILER,)))


def copy_rows(connection: sa.Connection, table: str, columns: Iterable[str], rows: bytes) -> None:
    """Add rows to a table. Columns that are not named get their defaults.

    Args:
        connection: a connection in a transaction.
        table: the name of the table, as it is written in SQL.
        columns: the names of the columns.
        rows: the result of `encode_rows` for these columns.

    Raises:
        sqlalchemy.exc.DBAPIError, psycopg2.Error: the rows break a rule of the table.
    """
    names = ", ".join(columns)
    statement = f"COPY {table} ({names}) FROM STDIN WITH (FORMAT binary)"
    with closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(statement, io.BytesIO(rows), _PIECE)
