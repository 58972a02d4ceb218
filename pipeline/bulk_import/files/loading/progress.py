"""What an import has done: its files, days and ids, in the transaction of each batch."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import execute
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.fingerprint.tables import import_progress

NUMBERED: Final = (
    "track",
    "meta",
    "fingerprint",
    "track_mbid",
    "track_puid",
    "track_meta",
    "track_foreignid",
    "foreignid",
    "foreignid_vendor",
    "deleted_row",
)
"""The tables whose ids the files give."""

_SAVE: Final = """
INSERT INTO import_progress (file, digest, lines) VALUES (:file, :digest, :lines)
ON CONFLICT (file) DO UPDATE
SET lines = EXCLUDED.lines, digest = EXCLUDED.digest, finished = NULL,
    started = CASE WHEN import_progress.finished IS NULL THEN import_progress.started
              ELSE now() END
"""

_ADVANCE: Final = """
SELECT setval(pg_get_serial_sequence(:table, 'id'), :highest)
WHERE coalesce(pg_sequence_last_value(pg_get_serial_sequence(:table, 'id')::regclass), 0) < :highest
"""

_ADD_DAYS: Final = """
INSERT INTO imported_day (table_name, day, imported)
SELECT DISTINCT :table, day, now()
FROM incoming CROSS JOIN LATERAL (VALUES {days}) AS named (day)
WHERE day IS NOT NULL
ON CONFLICT (table_name, day) DO UPDATE SET imported = EXCLUDED.imported
"""

_RUN: Final = ""
"""The row of a run that is not finished, which may have been killed and begun again."""

_RENEW_DAYS: Final = """
UPDATE imported_day SET imported = clock_timestamp()
WHERE imported >= (SELECT started FROM import_progress WHERE file = :run)
"""


def read_progress(connection: sa.Connection) -> dict[str, tuple[bytes, int, bool]]:
    """Return digest, lines and whether it is finished, of each file, by its key.

    A batch of a killed import that is still being committed is waited for.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
    """
    lock_catalogue(connection)
    table = import_progress.c
    rows = connection.execute(
        sa.select(table.file, table.digest, table.lines, table.finished.is_not(None))
    )
    return {file: (bytes(digest), lines, ended) for file, digest, lines, ended in rows}


def save_progress(connection: sa.Connection, file: str, digest: bytes, lines: int) -> None:
    """Store how many lines of a file are done, those that were skipped included."""
    execute(connection, _SAVE, file=file, digest=digest, lines=lines)


def finish_file(connection: sa.Connection, file: str) -> None:
    """Store that a file is done."""
    execute(
        connection,
        "UPDATE import_progress SET finished = clock_timestamp() WHERE file = :file",
        file=file,
    )


def advance_ids(connection: sa.Connection, highest: Mapping[str, int]) -> None:
    """Let the database give out higher ids only than these, by table.

    The transaction must have the lock of the catalogue, under which ids are given out.
    """
    for table, number in highest.items():
        if table in NUMBERED and number > 0:
            connection.execute(sa.text(_ADVANCE), {"table": table, "highest": number})


def add_days(connection: sa.Connection, table: str, *, has_updates: bool) -> None:
    """Store the days of the rows in the staging table: their files must be exported again."""
    times = ["created", "updated"] if has_updates else ["created"]
    days = ", ".join(f"(({time} AT TIME ZONE 'UTC')::date)" for time in times)
    execute(connection, _ADD_DAYS.format(days=days), table=table)


def begin_run(connection: sa.Connection) -> None:
    """Store that an import runs, if none was interrupted."""
    connection.execute(
        sa.text(
            "INSERT INTO import_progress (file, digest, lines) VALUES (:run, '', 0) "
            "ON CONFLICT (file) DO NOTHING"
        ),
        {"run": _RUN},
    )


def finish_run(connection: sa.Connection) -> None:
    """Store that the import is done.

    The days get a time after the commits of all batches: an export whose snapshot is older lacks
    rows of them.
    """
    execute(connection, _RENEW_DAYS, run=_RUN)
    execute(connection, "DELETE FROM import_progress WHERE file = :run", run=_RUN)
