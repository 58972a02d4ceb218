"""Rows for PostgreSQL's ``COPY ... WITH (FORMAT binary)``, laid out by NumPy."""

import io
from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"

Columns = Mapping[str, NDArray[Any]]
"""Values by the columns' names: big-endian integers, or ``V<n>`` for UUIDs and ``bytea``."""


def encode(columns: Columns) -> bytes:
    """Return rows as the server reads them.

    Args:
        columns: of the same length; no value is null, all of one column have the same size.
    """
    fields: list[tuple[str, Any]] = [("count", ">i2")]
    for name, values in columns.items():
        fields += [(f"size {name}", ">i4"), (name, values.dtype)]
    first = next(iter(columns.values()))
    rows = np.zeros(len(first), dtype=fields)
    rows["count"] = len(columns)
    for name, values in columns.items():
        rows[f"size {name}"] = values.dtype.itemsize
        rows[name] = values
    return HEADER + rows.tobytes() + TRAILER


def copy(connection: sa.Connection, table: sa.Table, columns: Columns) -> None:
    """Add rows to a table; columns that are not given get their defaults."""
    names = ", ".join(columns)
    statement = f"COPY {table.fullname} ({names}) FROM STDIN WITH (FORMAT binary)"
    with closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(statement, io.BytesIO(encode(columns)))


def integers(values: Any, bits: int) -> NDArray[Any]:  # noqa: ANN401 - whatever NumPy takes
    """Return numbers as the server has them."""
    return np.asarray(values, dtype=f">i{bits // 8}")


def octets(values: list[bytes]) -> NDArray[Any]:
    """Return byte strings, all of one length, as a column of ``bytea`` or ``uuid``."""
    return np.frombuffer(b"".join(values), dtype=f"V{len(values[0])}")
