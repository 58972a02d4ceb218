"""Encodes lines as rows of a staging table, in a process of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pipeline.bulk_import.files.reading.gzip_lines import Line
from pipeline.bulk_import.files.reading.table_rows import FINGERPRINT_ROWS, ROWS, TableRows
from pipeline.bulk_import.files.reading.values import LineError, Values
from pipeline.bulk_import.files.reading.words import parse_fingerprint, parse_object
from pipeline.catalog.binary_copy import encode_rows, integers
from pipeline.fingerprint.codec import ALGORITHM_TEST2
from pipeline.fingerprint.identity import fingerprint_gid
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint.words import Words

LINE: Final = "line"
"""The first column of a staging table: the number of the line."""


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
    """

    rows: bytes
    count: int
    last: int
    refused: tuple[tuple[int, str], ...] = ()
    highest_id: int = 0
    formats: frozenset[str] = frozenset()


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
        columns += _computed(collected.words)
        formats = frozenset(name.decode() for name in columns[3] if name is not None)
    encoded = [
        column.kind.encode(list(values))
        for column, values in zip(rows.columns, columns, strict=bool(columns))
    ]
    count = len(collected.numbers)
    return Batch(
        rows=encode_rows([integers(collected.numbers, 64), *encoded]) if count else b"",
        count=count,
        last=collected.last,
        refused=tuple(collected.refused),
        highest_id=max((values[0] for values in collected.values), default=0),
        formats=formats,
    )


def _computed(batch: Sequence[Words]) -> list[Sequence[Any]]:
    """Return the words, gids and simhashes of fingerprints."""
    return [
        [words.tobytes() for words in batch],
        [fingerprint_gid(ALGORITHM_TEST2, words).bytes for words in batch],
        simhash_batch(batch).view(np.int32).tolist(),
    ]
