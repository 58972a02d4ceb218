"""Writes fingerprints and their tracks.

The tracks come first, in rows of `track_fingerprint`. Those of fingerprints that are not here yet
wait in `staged_track_fingerprint`.
"""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import Found, execute, refuse_conflicts, take_out
from pipeline.bulk_import.files.reading.batches import CONTENT
from pipeline.catalog.binary_copy import copy_rows, encode_rows, integers

_WITHOUT_TRACK: Final = """
SELECT i.line, format('there is no track %s, of fingerprint %s', i.track_id, i.id)
FROM incoming i WHERE NOT EXISTS (SELECT FROM track t WHERE t.id = i.track_id)
"""

# A row that was never changed after the time of the file has its track for ever.
_OTHER_TRACK: Final = """
SELECT i.line, format('fingerprint %s has track %s, but here it has %s', i.id, i.track_id,
                      f.track_id)
FROM incoming i JOIN fingerprint f ON f.id = i.id JOIN track t ON t.id = f.track_id
WHERE f.track_id <> i.track_id AND t.new_id IS DISTINCT FROM i.track_id
  AND coalesce(i.updated, i.created) <= coalesce(f.updated, f.created)
  AND coalesce(f.updated, '-infinity') <= coalesce(i.updated, i.created)
"""

_UPDATE: Final = """
UPDATE fingerprint f
SET track_id = i.track_id, submission_count = i.submission_count, updated = i.updated
FROM incoming i
WHERE f.id = i.id AND coalesce(i.updated, i.created) >= coalesce(f.updated, f.created)
  AND (f.track_id, f.submission_count, f.updated)
      IS DISTINCT FROM (i.track_id, i.submission_count, i.updated)
"""

_WAIT: Final = """
INSERT INTO staged_track_fingerprint (fingerprint_id, track_id, submission_count, updated)
SELECT i.id, i.track_id, i.submission_count, i.updated FROM incoming i
WHERE NOT EXISTS (SELECT FROM fingerprint f WHERE f.id = i.id)
ON CONFLICT (fingerprint_id) DO UPDATE
SET track_id = EXCLUDED.track_id, submission_count = EXCLUDED.submission_count,
    updated = EXCLUDED.updated
"""

_OTHER_WORDS: Final = """
SELECT i.line, format('fingerprint %s is another one here', i.id)
FROM incoming i JOIN fingerprint f ON f.id = i.id WHERE f.gid <> i.gid OR f.length <> i.length
"""

# Equal fingerprints: nothing of them can change.
_LEAVE_OUT: Final = "DELETE FROM incoming i USING fingerprint f WHERE f.id = i.id"

_UNKNOWN_TRACK: Final = """
SELECT i.line, format('fingerprint %s has no track: its row of track_fingerprint is missing', i.id)
FROM incoming i
WHERE NOT EXISTS (SELECT FROM staged_track_fingerprint s WHERE s.fingerprint_id = i.id)
"""

_TAKE: Final = """
WITH taken AS (
    DELETE FROM staged_track_fingerprint s USING incoming i WHERE s.fingerprint_id = i.id
    RETURNING s.fingerprint_id, s.track_id, s.submission_count, s.updated
)
SELECT i.line, taken.track_id, taken.submission_count, named.id,
       CAST(extract(epoch FROM taken.updated - timestamptz '2000-01-01 00:00:00+00') * 1000000
            AS bigint)
FROM taken JOIN incoming i ON i.id = taken.fingerprint_id
LEFT JOIN unnest(CAST(:names AS text[]), CAST(:ids AS integer[])) AS named (name, id)
    ON named.name = i.format
ORDER BY i.id
"""

_TAKEN: Final = ("track_id", "submission_count", "format_id", "updated")


def load_fingerprint_tracks(connection: sa.Connection) -> tuple[int, list[Found]]:
    """Write rows of `track_fingerprint`; return the number of changed rows, and refused lines.

    Raises:
        ConflictError: a fingerprint has another track here, and was not changed since.
    """
    refused = take_out(connection, _WITHOUT_TRACK)
    refuse_conflicts(connection, _OTHER_TRACK)
    changed = execute(connection, _UPDATE)
    execute(connection, _WAIT)
    return changed, refused


def load_fingerprints(
    connection: sa.Connection, formats: Mapping[str, int], contents: Mapping[int, bytes]
) -> tuple[int, list[Found]]:
    """Write fingerprints; return the number of new ones, and refused lines.

    The transaction must have the lock of the catalogue: ids that are not in use stay so.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        formats: ids in the app database by the name of a format.
        contents: the fingerprints by the number of the line; see `Batch.contents`.

    Raises:
        ConflictError: an id has another fingerprint here.
    """
    refuse_conflicts(connection, _OTHER_WORDS)
    execute(connection, _LEAVE_OUT)
    refused = take_out(connection, _UNKNOWN_TRACK)
    # Hash joins within a batch: it is joined with its own part of the staged rows.
    connection.exec_driver_sql("SET LOCAL enable_hashjoin = on")
    names = {"names": list(formats), "ids": list(formats.values())}
    taken = connection.execute(sa.text(_TAKE), names).all()
    if taken:
        lines, tracks, counts, format_ids, updated = zip(*taken, strict=True)
        columns = [
            [contents[line] for line in lines],
            integers(tracks, 32),
            integers(counts, 32),
            integers(format_ids, 32),
            integers(updated, 64),
        ]
        names_of_all = (*CONTENT, *_TAKEN)
        copy_rows(connection, "fingerprint", names_of_all, encode_rows(columns, len(names_of_all)))
    return len(taken), refused
