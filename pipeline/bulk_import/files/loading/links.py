"""Writes links of tracks: to MBIDs, PUIDs, texts and foreign ids."""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import Found, execute, refuse_conflicts, take_out

VALUES: Final = {
    "track_mbid": "mbid",
    "track_puid": "puid",
    "track_meta": "meta_id",
    "track_foreignid": "foreignid_id",
}

_WITHOUT_TRACK: Final = """
SELECT i.line, format('there is no track %s, of the link %s', i.track_id, i.id)
FROM incoming i WHERE NOT EXISTS (SELECT FROM track t WHERE t.id = i.track_id)
"""

_WITHOUT_META: Final = """
SELECT i.line, format('there is no text %s, of the link %s', i.meta_id, i.id)
FROM incoming i WHERE NOT EXISTS (SELECT FROM meta m WHERE m.id = i.meta_id)
"""

_INSERT_FOREIGN: Final = (
    """
    INSERT INTO foreignid_vendor (id, name)
    SELECT DISTINCT ON (vendor_id) vendor_id, vendor FROM incoming ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO foreignid (id, vendor_id, name)
    SELECT DISTINCT ON (foreignid_id) foreignid_id, vendor_id, name FROM incoming
    WHERE EXISTS (SELECT FROM foreignid_vendor v WHERE v.id = vendor_id)
    ON CONFLICT DO NOTHING
    """,
)

_OTHER_FOREIGN: Final = (
    """
    SELECT i.line, format('the vendor %s, %s, has another name or id here', i.vendor_id, i.vendor)
    FROM incoming i WHERE NOT EXISTS
        (SELECT FROM foreignid_vendor v WHERE v.id = i.vendor_id AND v.name = i.vendor)
    """,
    """
    SELECT i.line, format('the foreign id %s, %s:%s, is another one here', i.foreignid_id,
                          i.vendor, i.name)
    FROM incoming i WHERE NOT EXISTS
        (SELECT FROM foreignid f
         WHERE f.id = i.foreignid_id AND f.vendor_id = i.vendor_id AND f.name = i.name)
    """,
)


def load_links(connection: sa.Connection, table: str) -> tuple[int, list[Found]]:
    """Write the links of the staging table; return the number of changed rows, and refused lines.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        table: the table.

    Raises:
        ConflictError: a link has another end or id here, and was not changed since.
    """
    refused = take_out(connection, _WITHOUT_TRACK)
    if table == "track_meta":
        refused += take_out(connection, _WITHOUT_META)
    if table == "track_foreignid":
        for statement in _INSERT_FOREIGN:
            execute(connection, statement)
        refuse_conflicts(connection, *_OTHER_FOREIGN)
    names = {"table": table, "value": VALUES[table]}
    refuse_conflicts(connection, _OTHER_END.format(**names))
    changed = execute(connection, _REMOVE_TWINS.format(**names))
    refuse_conflicts(connection, _OTHER_ID.format(**names))
    more = _MORE if table == "track_mbid" else dict.fromkeys(_MORE, "")
    changed += execute(connection, _UPDATE.format(**names, **more))
    changed += execute(connection, _INSERT.format(**names, **more))
    return changed, refused


# A row that was never changed after the time of the file has its track for ever.
_OTHER_END: Final = """
SELECT i.line, format('the link %s is one of track %s and {value} %s, but here of %s and %s', i.id,
                      i.track_id, i.{value}, l.track_id, l.{value})
FROM incoming i JOIN {table} l ON l.id = i.id JOIN track t ON t.id = l.track_id
WHERE l.{value} <> i.{value}
   OR (l.track_id <> i.track_id AND t.new_id IS DISTINCT FROM i.track_id
       AND coalesce(i.updated, i.created) <= coalesce(l.updated, l.created)
       AND coalesce(l.updated, '-infinity') <= coalesce(i.updated, i.created))
"""

# A merge of tracks leaves one of two equal links, with the submissions of both.
_REMOVE_TWINS: Final = """
DELETE FROM {table} twin
USING incoming i JOIN {table} l ON l.id = i.id JOIN track t ON t.id = l.track_id
WHERE t.new_id = i.track_id AND twin.track_id = i.track_id AND twin.{value} = i.{value}
  AND twin.id <> i.id AND coalesce(i.updated, i.created) >= coalesce(l.updated, l.created)
  AND NOT EXISTS (SELECT FROM incoming other WHERE other.id = twin.id)
"""

_OTHER_ID: Final = """
SELECT i.line, format('the link of track %s and {value} %s has the id %s, but here it has %s',
                      i.track_id, i.{value}, i.id, l.id)
FROM incoming i JOIN {table} l ON l.track_id = i.track_id AND l.{value} = i.{value}
WHERE l.id <> i.id AND NOT EXISTS
    (SELECT FROM incoming other WHERE other.id = l.id AND other.track_id <> l.track_id)
"""

_MORE: Final = {
    "set_more": ", disabled = i.disabled, "
    "merged_into = CASE WHEN i.merged_into IS NULL THEN NULL ELSE l.merged_into END",
    "differs_more": "OR l.disabled <> i.disabled "
    "OR (i.merged_into IS NULL AND l.merged_into IS NOT NULL)",
    "column_more": ", disabled",
    "value_more": ", i.disabled",
}

_UPDATE: Final = """
UPDATE {table} l
SET track_id = i.track_id, submission_count = i.submission_count, updated = i.updated{set_more}
FROM incoming i
WHERE l.id = i.id AND coalesce(i.updated, i.created) >= coalesce(l.updated, l.created)
  AND ((l.track_id, l.submission_count, l.updated)
       IS DISTINCT FROM (i.track_id, i.submission_count, i.updated) {differs_more})
"""

_INSERT: Final = """
INSERT INTO {table} (id, track_id, {value}, submission_count, created, updated{column_more})
SELECT i.id, i.track_id, i.{value}, i.submission_count, i.created, i.updated{value_more}
FROM incoming i ORDER BY i.id
ON CONFLICT (id) DO NOTHING
"""
