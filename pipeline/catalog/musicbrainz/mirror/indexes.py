"""The indexes of a MusicBrainz database without which lookups read whole tables."""

from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import SCHEMA

NEEDED: Final = (
    ("artist", "id"),
    ("artist_credit_name", "artist_credit"),
    ("isrc", "recording"),
    ("medium", "id"),
    ("medium", "release"),
    ("recording", "gid"),
    ("recording", "id"),
    ("recording_gid_redirect", "gid"),
    ("release", "id"),
    ("release_country", "release"),
    ("release_group", "id"),
    ("release_group_secondary_type_join", "release_group"),
    ("release_unknown_country", "release"),
    ("track", "recording"),
)
"""Table and column. Tables with few rows, such as types and areas, need none."""

# The first column of each complete, valid index.
_FOUND: Final = sa.text(
    """
    SELECT relname, attname
      FROM pg_index
      JOIN pg_class ON pg_class.oid = indrelid
      JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
       AND indisvalid AND indpred IS NULL
    """
)


def missing_indexes(connection: sa.Connection) -> list[str]:
    """Return a statement for each needed index that a database lacks.

    Args:
        connection: a connection to a MusicBrainz database, which is only read.
    """
    found = {tuple(row) for row in connection.execute(_FOUND, {"schema": SCHEMA})}
    return [
        f"CREATE INDEX CONCURRENTLY ON {SCHEMA}.{table} ({column});"
        for table, column in NEEDED
        if (table, column) not in found
    ]
