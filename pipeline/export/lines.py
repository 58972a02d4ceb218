"""Turns rows of a snapshot into lines of data files."""

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import sqlalchemy as sa

from pipeline.data_files.tables import FINGERPRINT, DataTable
from pipeline.export.selection import stream_rows
from pipeline.loops.number_lists import write_numbers


def stream_lines(
    connection: sa.Connection, table: DataTable, days: Collection[date], formats: Mapping[int, str]
) -> Iterator[tuple[date, bytes]]:
    """Yield the day and the line of each row of some days of a table, by day and id.

    A line is a JSON object in UTF-8 with a line break.

    Args:
        connection: a snapshot.
        table: the table.
        days: at least one day.
        formats: the names of the formats by id.
    """
    rows = stream_rows(connection, table, days)
    if table is FINGERPRINT:
        texts = {key: json.dumps(name, ensure_ascii=False) for key, name in formats.items()}
        for row in rows:
            yield row.day, _fingerprint(row, texts)
    else:
        for row in rows:
            yield row.day, f"{row.line}\n".encode()


def _fingerprint(row: sa.Row[Any], formats: Mapping[int, str]) -> bytes:
    """Return the line of a fingerprint, with its words as signed 32-bit numbers.

    Args:
        row: a row of `stream_rows`, whose text has the other fields.
        formats: the names of the formats as JSON by id.
    """
    named = formats.get(row.format_id)
    last = "" if named is None else f',"format":{named}'
    words = write_numbers(np.frombuffer(row.words, dtype="<u4"))
    rest = f"],{row.line[1:-1]}{last}}}\n".encode()
    return b"".join((b'{"id":%d,"fingerprint":[' % row.id, words, rest))
