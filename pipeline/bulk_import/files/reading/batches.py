"""Encodes lines as rows of a staging table, in a process of its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pipeline.bulk_import.files.reading.gzip_lines import Line
from pipeline.bulk_import.files.reading.table_rows import FINGERPRINT_ROWS, ROWS, TableRows
from pipeline.bulk_import.files.reading.values import LineError, Values
from pipeline.bulk_import.files.reading.words import parse_fingerprint, parse_object
from pipeline.catalog.binary_copy import Column, encode_rows, integers, joined, octets
from pipeline.fingerprint.codec import ALGORITHM_TEST2
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint.words import Words

LINE: Final = "line"
"""The first column of a staging table: the number of the line."""


CONTENT: Final = ("id", "length", "bitrate", "created", "gid", "words", "simhash")
"""The columns of `fingerprint` that `Batch.contents` has."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that are written in one transaction. They differ in their ids.

    Attributes:
        rows: the rows as the input of ``COPY``.
        count: the number of rows.
        last: the number of the last line.
        refused: number and reason of each line that can't be imported.
        highest_id: the highest id; 0 without rows.
        formats: the names of formats in fingerprints.
        contents: the values of `CONTENT` of fingerprints, for ``COPY``, by the number of the line.
            They go to their table directly: words make nearly all of the work of a staging table.
    """

    rows: bytes
    count: int
    last: int
    refused: tuple[tuple[int, str], ...] = ()
    highest_id: int = 0
    formats: frozenset[str] = frozenset()
    contents: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Collected:
    values: list[Values] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    seen: set[Any] = field(default_factory=set)
    last: int = 0


def encode_lines(table: str, lines: Sequence[Line]) -> list[Batch]:
    """Return the batches of successive lines: one, or more if two lines have the same key.

    Args:
        table: the name of the table, see `pipeline.data_files.tables`.
        lines: the lines.
    """
    rows = ROWS[table]
    batches: list[Batch] = []
    now = _Collected()
    for line in lines:
        try:
            values, words = _read(rows, line)
        except LineError as error:
            now.refused.append((line.number, str(error)))
        else:
            keys = _keys(rows, values)
            if not now.seen.isdisjoint(keys):
                batches.append(_encode(rows, now))
                now = _Collected()
            now.seen.update(keys)
            now.numbers.append(line.number)
            now.values.append(values)
            now.words += words
        now.last = line.number
    batches.append(_encode(rows, now))
    return batches


def _read(rows: TableRows, line: Line) -> tuple[Values, Iterable[Words]]:
    if line.problem is not None:
        raise LineError(line.problem)
    if not line.content.strip():
        raise LineError("the line is empty")
    if rows is FINGERPRINT_ROWS:
        content, words = parse_fingerprint(line.content)
        return rows.read(content), (words,)
    return rows.read(parse_object(line.content)), ()


def _keys(rows: TableRows, values: Values) -> list[Any]:
    """Return the values that no other row of a batch may have."""
    return [values[0], *(tuple(values[place] for place in key) for key in rows.keys)]


def _encode(rows: TableRows, collected: _Collected) -> Batch:
    formats: frozenset[str] = frozenset()
    columns: list[Sequence[Any]] = list(zip(*collected.values, strict=True))
    if rows is FINGERPRINT_ROWS and columns:
        columns.append(_gids(collected.words))
        formats = frozenset(name.decode() for name in columns[3] if name is not None)
    encoded = [
        column.kind.encode(list(values))
        for column, values in zip(rows.columns, columns, strict=bool(columns))
    ]
    contents: dict[int, bytes] = {}
    if rows is FINGERPRINT_ROWS and encoded:
        key, length, bitrate, _, created, gid = encoded
        columns_of_table = [key, length, bitrate, created, gid, *_words(collected.words)]
        contents = dict(zip(collected.numbers, joined(columns_of_table), strict=True))
    count = len(collected.numbers)
    return Batch(
        rows=encode_rows([integers(collected.numbers, 64), *encoded]) if count else b"",
        count=count,
        last=collected.last,
        refused=tuple(collected.refused),
        highest_id=max((values[0] for values in collected.values), default=0),
        formats=formats,
        contents=contents,
    )


def _gids(batch: Sequence[Words]) -> list[bytes]:
    return [fingerprint_gid(ALGORITHM_TEST2, words).bytes for words in batch]


def _words(batch: Sequence[Words]) -> tuple[Column, Column]:
    """Return words and simhashes of fingerprints."""
    words = octets(each.astype("<u4", copy=False).tobytes() for each in batch)
    return words, integers(simhash_batch(batch).view(np.int32).tolist(), 32)
