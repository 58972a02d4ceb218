"""Moves what is still on a merged track to the track into which it was merged.

Chains of merges are followed to their end. Two equal links become one: that of the other track
stays, which has the submissions of both.
"""

from typing import Final

import sqlalchemy as sa

from pipeline.bulk_import.files.loading.links import VALUES
from pipeline.bulk_import.files.loading.staging import execute
from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.runtime.databases import Databases

_CHUNK: Final = 20_000  # merged tracks in one transaction

# Merged once more in each round: a chain of n merges takes log2(n) rounds.
_SHORTEN_CHAINS: Final = """
UPDATE track t SET new_id = next.new_id FROM track next
WHERE t.new_id = next.id AND next.new_id IS NOT NULL AND next.new_id <> t.id
"""

_NEXT: Final = """
SELECT max(id) FROM (
    SELECT id FROM track WHERE new_id IS NOT NULL AND id > :after ORDER BY id LIMIT :count
) part
"""

_MERGED: Final = "t.id = r.track_id AND t.new_id IS NOT NULL AND t.id > :after AND t.id <= :last"

_MOVE: Final = """
UPDATE {table} r SET track_id = t.new_id FROM track t WHERE {merged}
"""

_REMOVE_TWINS: Final = """
DELETE FROM {table} r USING track t, {table} twin
WHERE {merged} AND twin.{value} = r.{value} AND twin.id <> r.id
  AND (twin.track_id = t.new_id OR (twin.id < r.id AND EXISTS
       (SELECT FROM track other WHERE other.id = twin.track_id AND other.new_id = t.new_id)))
"""

# A link into which others were merged is not removed: the one that stays replaces it.
_REPLACE_TARGETS: Final = """
UPDATE track_mbid other SET merged_into = twin.id
FROM track_mbid r, track t, track_mbid twin
WHERE {merged} AND other.merged_into = r.id AND twin.mbid = r.mbid AND twin.id <> r.id
  AND twin.track_id = t.new_id AND other.id <> twin.id
"""


def follow_merges(databases: Databases) -> int:
    """Move fingerprints and links from merged tracks; return the number of changed rows."""
    engine = databases.engine("fingerprint")
    with engine.begin() as connection:
        lock_catalogue(connection)
        changed = 0
        while moved := execute(connection, _SHORTEN_CHAINS):
            changed += moved
    after = 0
    while True:
        with engine.begin() as connection:
            values = {"after": after, "count": _CHUNK}
            last = connection.execute(sa.text(_NEXT), values).scalar()
            if last is None:
                return changed
            lock_catalogue(connection)
            changed += _move(connection, after, last)
        after = last


def _move(connection: sa.Connection, after: int, last: int) -> int:
    span = {"after": after, "last": last}
    changed = execute(connection, _MOVE.format(table="fingerprint", merged=_MERGED), **span)
    changed += execute(connection, _REPLACE_TARGETS.format(merged=_MERGED), **span)
    for table, value in VALUES.items():
        names = {"table": table, "value": value, "merged": _MERGED}
        changed += execute(connection, _REMOVE_TWINS.format(**names), **span)
        changed += execute(connection, _MOVE.format(**names), **span)
    return changed
