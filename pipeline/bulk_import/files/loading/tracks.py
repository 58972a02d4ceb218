"""Writes tracks and texts."""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.staging import execute, refuse_conflicts

_TRACK_CONFLICTS: Final = (
    """
    SELECT i.line, format('track %s has the gid %s, but here it has %s', i.id, i.gid, t.gid)
    FROM incoming i JOIN track t ON t.id = i.id WHERE t.gid <> i.gid
    """,
    """
    SELECT i.line, format('the gid %s has the id %s, but here it has %s', i.gid, i.id, t.id)
    FROM incoming i JOIN track t ON t.gid = i.gid WHERE t.id <> i.id
    """,
)

_INSERT_TRACKS: Final = """
INSERT INTO track (id, gid, created, updated)
SELECT id, gid, created, updated FROM incoming ORDER BY id
ON CONFLICT (id) DO NOTHING
"""

# A row changes only if that of the file is not older. Where a track is merged into is written when
# all tracks are there; see `references`.
_UPDATE_TRACKS: Final = """
UPDATE track t
SET updated = i.updated, new_id = CASE WHEN i.new_id IS NULL THEN NULL ELSE t.new_id END
FROM incoming i
WHERE t.id = i.id AND coalesce(i.updated, i.created) >= coalesce(t.updated, t.created)
  AND (t.updated IS DISTINCT FROM i.updated OR (i.new_id IS NULL AND t.new_id IS NOT NULL))
"""

_META_CONFLICTS: Final = """
SELECT i.line, format('the text %s is another one here', i.id)
FROM incoming i JOIN meta m ON m.id = i.id WHERE m.gid NOT IN (i.gid, i.other_gid)
"""

# Several ids may have the same text in the public files. Here gids are unique: the other rows get
# gids that are computed from the text's and the id.
_INSERT_METAS: Final = """
INSERT INTO meta (id, track, artist, album, album_artist, track_no, disc_no, year, created, gid)
SELECT i.id, i.track, i.artist, i.album, i.album_artist, i.track_no, i.disc_no, i.year, i.created,
       CASE WHEN i.place > 1 OR EXISTS (SELECT FROM meta m WHERE m.gid = i.gid)
            THEN i.other_gid ELSE i.gid END
FROM (SELECT *, row_number() OVER (PARTITION BY gid ORDER BY id) AS place FROM incoming) i
WHERE NOT EXISTS (SELECT FROM meta m WHERE m.id = i.id)
ORDER BY i.id
"""


def load_tracks(connection: sa.Connection) -> int:
    """Write the tracks of the staging table; return the number of changed rows.

    Raises:
        ConflictError: a track has another gid here.
    """
    refuse_conflicts(connection, *_TRACK_CONFLICTS)
    return execute(connection, _INSERT_TRACKS) + execute(connection, _UPDATE_TRACKS)


def load_metas(connection: sa.Connection) -> int:
    """Write the texts of the staging table; return the number of new rows.

    Raises:
        ConflictError: an id has another text here.
    """
    refuse_conflicts(connection, _META_CONFLICTS)
    return execute(connection, _INSERT_METAS)
