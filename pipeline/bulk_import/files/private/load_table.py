"""Writes the lines of a private table. PostgreSQL reads the values, and batches are JSON arrays."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from pipeline.bulk_import.files.errors import DataImportError
from pipeline.bulk_import.files.private.identities import identity_of
from pipeline.bulk_import.files.reading.gzip_lines import Line, read_lines
from pipeline.bulk_import.files.reading.values import LineError
from pipeline.bulk_import.files.reading.words import parse_object
from pipeline.bulk_import.rejects import BadLine, Rejects
from pipeline.catalog.app.tables import METADATA as APP
from pipeline.catalog.fingerprint.tables import METADATA as FINGERPRINT
from pipeline.catalog.ingest.tables import METADATA as INGEST
from pipeline.data_files.private_tables import PrivateTable

_METADATA: Final = {"app": APP, "fingerprint": FINGERPRINT, "ingest": INGEST}
_MOST_LINES: Final = 1_000
_OF_A_LINE: Final = frozenset({"23502", "23514"})  # a null, or a value that a check refuses
_MOST_BYTES: Final = 8 << 20

Part = tuple[list[Line], int]
"""Lines of one batch, and the bytes of the file that were read up to now."""

_ROWS: Final = "json_populate_recordset(NULL::{table}, CAST(:rows AS json))"

_OTHER: Final = """
SELECT i.place FROM (SELECT *, row_number() OVER () AS place FROM {rows}) i JOIN {table} t
ON {same_key} WHERE {other} ORDER BY i.place LIMIT 1
"""

_WRITE: Final = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}
ON CONFLICT ({key}) DO UPDATE SET {changes} WHERE ({present}) IS DISTINCT FROM ({given}){unless}
"""

_UNLESS: Final = {
    "submission": " AND (submission.state = 'pending' OR EXCLUDED.state <> 'pending')"
}
"""Rows that stay: a submission that was pending in the files may be imported here since."""

_INSERT: Final = (
    "INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows} ON CONFLICT DO NOTHING"
)

_ADVANCE: Final = """
SELECT setval(pg_get_serial_sequence(:table, 'id'), highest)
FROM (SELECT greatest(max(id), :least) AS highest FROM {table}) found WHERE highest > coalesce(
    pg_sequence_last_value(pg_get_serial_sequence(:table, 'id')::regclass), 0)
"""


def read_parts(path: Path) -> Iterator[Part]:
    """Yield the lines of a file in batches.

    Raises:
        OSError: the file can't be read.
    """
    lines: list[Line] = []
    size = 0
    with path.open("rb") as file:
        for line in read_lines(file):
            lines.append(line)
            size += len(line.content)
            if len(lines) == _MOST_LINES or size >= _MOST_BYTES:
                yield lines, file.tell()
                lines, size = [], 0
        if lines:
            yield lines, file.tell()


def write_lines(
    connection: sa.Connection,
    table: PrivateTable,
    path: Path,
    lines: list[Line],
    rejects: Rejects,
    without: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> int:
    """Write the lines of a batch; return the number of changed rows.

    Args:
        connection: a connection to the database of the table, in a transaction.
        table: the table.
        path: the file, for messages.
        lines: the lines.
        rejects: gets the lines that can't be imported.
        without: changes a row before it is written.

    Raises:
        BadLineError: a line is wrong, and the run stops.
        DataImportError: a row here has the key of a row of the file, and is another one.
    """
    good: list[tuple[Line, str]] = []
    for line in lines:
        try:
            good.append((line, _text(line, without)))
        except LineError as error:
            rejects.add(BadLine(str(path), line.number, str(error), line.content))
    rejects.flush()
    if not good:
        return 0
    try:
        with connection.begin_nested():
            return _write(connection, table, path, good)
    except (sa.exc.DataError, sa.exc.IntegrityError) as error:
        if not _is_of_a_line(error):
            raise _disagrees(table, path, good, error) from None
        if len(good) == 1:
            reason = "a value does not fit to its column"
            rejects.add(BadLine(str(path), good[0][0].number, reason, good[0][0].content))
            rejects.flush()
            return 0
        # Find the line: the batch is halved until one line is left.
        half = len(good) // 2
        parts = [line for line, _ in good[:half]], [line for line, _ in good[half:]]
        del error
    return sum(write_lines(connection, table, path, part, rejects, without) for part in parts)


def _text(line: Line, without: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """Return the JSON of a line, changed by `without`."""
    if line.problem is not None:
        raise LineError(line.problem)
    return json.dumps(without(parse_object(line.content)))


def _write(
    connection: sa.Connection, table: PrivateTable, path: Path, good: list[tuple[Line, str]]
) -> int:
    found = _METADATA[table.database].tables[table.name]
    rows = {"rows": f"[{','.join(text for _, text in good)}]"}
    key = [column.name for column in found.primary_key.columns]
    identity = identity_of(table)
    columns = [column.name for column in found.columns]
    names = {
        "table": found.fullname,
        "rows": _ROWS.format(table=found.fullname),
        "columns": ", ".join(columns),
        "key": ", ".join(key),
        "same_key": " AND ".join(f"t.{each} = i.{each}" for each in key),
        "other": " OR ".join(f"t.{each} IS DISTINCT FROM i.{each}" for each in identity),
    }
    if identity and table.name != "format":
        place = connection.execute(sa.text(_OTHER.format(**names)), rows).scalar()
        if place is not None:
            line = good[place - 1][0]
            raise DataImportError(
                f"{path}:{line.number}: the row of {table.name} with this key is another one here: "
                "the file belongs to another service"
            )
    others = [each for each in columns if each not in key]
    if table.name == "format" or not others:
        # Fingerprints get their formats by name, so a format may have another id here.
        return connection.execute(sa.text(_INSERT.format(**names)), rows).rowcount
    names |= {
        "unless": _UNLESS.get(table.name, ""),
        "changes": ", ".join(f"{each} = EXCLUDED.{each}" for each in others),
        "present": ", ".join(f"{found.name}.{each}" for each in others),
        "given": ", ".join(f"EXCLUDED.{each}" for each in others),
    }
    return connection.execute(sa.text(_WRITE.format(**names)), rows).rowcount


def _is_of_a_line(error: sa.exc.DBAPIError) -> bool:
    """Return whether a row is wrong by itself, not together with others."""
    return isinstance(error, sa.exc.DataError) or getattr(error.orig, "pgcode", "") in _OF_A_LINE


def _disagrees(
    table: PrivateTable, path: Path, good: list[tuple[Line, str]], error: sa.exc.DBAPIError
) -> DataImportError:
    # The text of the error may contain a key. The name of the constraint says what is wrong.
    constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    return DataImportError(
        f"{path}:{good[0][0].number}: this row, or one of the next {len(good) - 1}, disagrees "
        f"with the rows of {table.name} here ({constraint}): the file belongs to another "
        "service, or a file is missing"
    )


def advance_id(connection: sa.Connection, table: PrivateTable, least: int) -> None:
    """Let the database give out only ids above those of a table, if it gives out ids.

    Args:
        connection: a connection to the database of the table, in a transaction.
        table: the table.
        least: further ids up to this one are not given out.
    """
    found = _METADATA[table.database].tables[table.name]
    if "id" in found.c:
        statement = _ADVANCE.format(table=found.fullname)
        connection.execute(sa.text(statement), {"table": found.fullname, "least": least})
