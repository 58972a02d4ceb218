"""Deletes the rows that were deleted where the files come from."""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import Found, execute, query
from pipeline.bulk_import.files.reading.table_rows import DELETED_FROM

# A row that was inserted or changed after the deletion stays.
_DELETE: Final = """
DELETE FROM {table} t USING incoming i
WHERE i.table_name = '{table}' AND t.id = i.row_id AND {time} <= i.created {unused}
"""

_UNUSED: Final = {
    "track": """
        AND NOT EXISTS (SELECT FROM fingerprint f WHERE f.track_id = t.id)
        AND NOT EXISTS (SELECT FROM track_mbid l WHERE l.track_id = t.id)
        AND NOT EXISTS (SELECT FROM track_puid l WHERE l.track_id = t.id)
        AND NOT EXISTS (SELECT FROM track_meta l WHERE l.track_id = t.id)
        AND NOT EXISTS (SELECT FROM track_foreignid l WHERE l.track_id = t.id)
        AND NOT EXISTS (SELECT FROM track other WHERE other.new_id = t.id)
    """,
    "meta": "AND NOT EXISTS (SELECT FROM track_meta l WHERE l.meta_id = t.id)",
    "track_mbid": "AND NOT EXISTS (SELECT FROM track_mbid other WHERE other.merged_into = t.id)",
}

_STILL_USED: Final = """
SELECT i.line, format('%s %s is deleted in the files, but other rows refer to it', i.table_name,
                      i.row_id)
FROM incoming i JOIN {table} t ON t.id = i.row_id
WHERE i.table_name = '{table}' AND {time} <= i.created
"""

_INSERT: Final = """
INSERT INTO deleted_row (id, table_name, row_id, created)
SELECT id, table_name, row_id, created FROM incoming ORDER BY id
ON CONFLICT (id) DO NOTHING
"""

# An id of this database's own log of deletions: the row gets another id.
_INSERT_RENUMBERED: Final = """
INSERT INTO deleted_row (table_name, row_id, created)
SELECT i.table_name, i.row_id, i.created FROM incoming i
JOIN deleted_row d ON d.id = i.id AND (d.table_name, d.row_id, d.created)
    IS DISTINCT FROM (i.table_name, i.row_id, i.created)
WHERE NOT EXISTS (SELECT FROM deleted_row other WHERE (other.table_name, other.row_id,
    other.created) = (i.table_name, i.row_id, i.created))
"""


def load_deletions(connection: sa.Connection) -> tuple[int, list[Found]]:
    """Delete rows and log it; return the number of changes, and refused lines."""
    changed, refused = 0, []
    for table in DELETED_FROM:
        time = "t.created" if table == "meta" else "coalesce(t.updated, t.created)"
        names = {"table": table, "time": time}
        changed += execute(connection, _DELETE.format(unused=_UNUSED.get(table, ""), **names))
        refused += query(connection, _STILL_USED.format(**names))
    changed += execute(connection, _INSERT)
    # The search for equal rows may read the whole table once, not once for each row.
    connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
    changed += execute(connection, _INSERT_RENUMBERED)
    return changed, refused
