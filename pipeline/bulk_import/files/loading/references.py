"""Writes merges: into which track a track was merged, into which link a link.

A row may refer to a row that comes later. So references wait in `staged_reference` until all rows
of the table are there.
"""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import execute

COLUMNS: Final = {"track": "new_id", "track_mbid": "merged_into"}
"""The column with the reference, by table."""

_FORGET: Final = """
DELETE FROM staged_reference s USING incoming i
WHERE s.table_name = :table AND s.row_id = i.id AND i.{column} IS NULL
"""

# A row that was changed here later keeps its reference.
_WAIT: Final = """
INSERT INTO staged_reference (table_name, row_id, target, file, line)
SELECT :table, i.id, i.{column}, :file, i.line
FROM incoming i JOIN {table} t ON t.id = i.id
WHERE i.{column} IS NOT NULL AND t.{column} IS DISTINCT FROM i.{column}
  AND t.updated IS NOT DISTINCT FROM i.updated
ON CONFLICT (table_name, row_id) DO UPDATE
SET target = EXCLUDED.target, file = EXCLUDED.file, line = EXCLUDED.line
"""

_WITHOUT_TARGET: Final = """
SELECT s.file, s.line, format('{table} %s is merged into %s, which does not exist', s.row_id,
                              s.target)
FROM staged_reference s
WHERE s.table_name = :table AND NOT EXISTS (SELECT FROM {table} t WHERE t.id = s.target)
ORDER BY s.file, s.line
"""

_CYCLES: Final = """
WITH RECURSIVE walk (origin, place) AS (
    SELECT row_id, target FROM staged_reference WHERE table_name = :table
    UNION
    SELECT w.origin, coalesce(s.target, t.{column})
    FROM walk w JOIN {table} t ON t.id = w.place
    LEFT JOIN staged_reference s ON s.table_name = :table AND s.row_id = w.place
    WHERE coalesce(s.target, t.{column}) IS NOT NULL
)
SELECT s.file, s.line, format('{table} %s is merged into itself, through others', s.row_id)
FROM walk JOIN staged_reference s ON s.table_name = :table AND s.row_id = walk.origin
WHERE walk.place = walk.origin
ORDER BY s.file, s.line
"""

_APPLY: Final = """
UPDATE {table} t SET {column} = s.target
FROM staged_reference s WHERE s.table_name = :table AND t.id = s.row_id
"""


def stage_references(connection: sa.Connection, table: str, file: str) -> None:
    """Remember the references of the rows in the staging table."""
    names = {"table": table, "column": COLUMNS[table]}
    execute(connection, _FORGET.format(**names), table=table)
    execute(connection, _WAIT.format(**names), table=table, file=file)


def wrong_references(connection: sa.Connection, table: str) -> list[tuple[str, int, str]]:
    """Return file, line and reason of references that can't be written, and forget them."""
    found: dict[tuple[str, int], str] = {}
    names = {"table": table, "column": COLUMNS[table]}
    for statement in (_WITHOUT_TARGET, _CYCLES):
        rows = connection.execute(sa.text(statement.format(**names)), {"table": table}).all()
        for file, line, reason in rows:
            found.setdefault((file, line), reason)
            execute(
                connection,
                "DELETE FROM staged_reference WHERE table_name = :table AND file = :file "
                "AND line = :line",
                table=table,
                file=file,
                line=line,
            )
    return [(file, line, reason) for (file, line), reason in sorted(found.items())]


def apply_references(connection: sa.Connection, table: str) -> int:
    """Write the references that wait; return the number of changed rows."""
    changed = execute(connection, _APPLY.format(table=table, column=COLUMNS[table]), table=table)
    execute(connection, "DELETE FROM staged_reference WHERE table_name = :table", table=table)
    return changed
