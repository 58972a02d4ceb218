"""Moves what is still on a merged track to the track into which it was merged.

Chains of merges are followed to their end. Two equal links become one: that of the other track
stays, which has the submissions of both. If it has none, the oldest stays and gets the submissions
of all, as `pipeline.catalog.fingerprint.track_merge_links` decides.
"""

from collections.abc import Callable
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
WHERE {merged} AND twin.{value} = r.{value} AND twin.track_id = t.new_id
"""

# Equal links of merged tracks, of which the other track has none. It was moved from any of them
# otherwise, so their submissions were not added up. `removed` has those of one part.
_JOINED: Final = """
WITH pair AS (
    SELECT r.id, min(twin.id) AS kept
    FROM track t JOIN {table} r ON {merged}
    JOIN {table} twin ON twin.{value} = r.{value} AND twin.id < r.id
    JOIN track other ON other.id = twin.track_id AND other.new_id = t.new_id
    GROUP BY r.id
)
"""

_JOIN: Final = """
{joined}, removed AS (
    DELETE FROM {table} r USING pair WHERE r.id = pair.id
    RETURNING pair.kept, r.submission_count {flags}
), added AS (
    SELECT kept, sum(submission_count) AS count {all_flags} FROM removed GROUP BY kept
)
UPDATE {table} l SET submission_count = l.submission_count + added.count {set_flags}
FROM added WHERE l.id = added.kept
"""

_FLAGS: Final = {
    "flags": ", r.disabled, r.merged_into",
    "all_flags": ", bool_and(disabled) AS disabled, bool_and(merged_into IS NOT NULL) AS merged",
    "set_flags": ", disabled = l.disabled AND added.disabled, "
    "merged_into = CASE WHEN added.merged THEN l.merged_into END",
}

# A link into which others were merged is not removed: the one that stays replaces it.
_REPLACE_BY_TWIN: Final = """
UPDATE track_mbid other SET merged_into = nullif(twin.id, other.id)
FROM track_mbid r, track t, track_mbid twin
WHERE {merged} AND other.merged_into = r.id AND twin.mbid = r.mbid AND twin.track_id = t.new_id
"""

_REPLACE_BY_JOINED: Final = """
{joined}
UPDATE track_mbid other SET merged_into = nullif(pair.kept, other.id)
FROM pair WHERE other.merged_into = pair.id
"""


def follow_merges(databases: Databases) -> int:
    """Move fingerprints and links from merged tracks; return the number of changed rows."""
    engine = databases.engine("fingerprint")
    with engine.begin() as connection:
        lock_catalogue(connection)
        changed = 0
        while moved := execute(connection, _SHORTEN_CHAINS):
            changed += moved
    # All equal links are joined before the first one moves: it would look like that of its track.
    for work in (_join_links, _move):
        after = 0
        while (reached := _do_part(engine, work, after)) is not None:
            moved, after = reached
            changed += moved
    return changed


def _do_part(
    engine: sa.Engine, work: Callable[[sa.Connection, int, int], int], after: int
) -> tuple[int, int] | None:
    """Do the next part in one transaction; return changed rows and its last track, if any."""
    with engine.begin() as connection:
        values = {"after": after, "count": _CHUNK}
        last = connection.execute(sa.text(_NEXT), values).scalar()
        if last is None:
            return None
        lock_catalogue(connection)
        return work(connection, after, last), last


def _join_links(connection: sa.Connection, after: int, last: int) -> int:
    changed = 0
    for table, value in VALUES.items():
        names = {"table": table, "value": value, "merged": _MERGED}
        names |= _FLAGS if table == "track_mbid" else dict.fromkeys(_FLAGS, "")
        names["joined"] = _JOINED.format(**names)
        statements = [_REMOVE_TWINS, _JOIN]
        if table == "track_mbid":
            statements = [_REPLACE_BY_TWIN, _REMOVE_TWINS, _REPLACE_BY_JOINED, _JOIN]
        for statement in statements:
            changed += execute(connection, statement.format(**names), after=after, last=last)
    return changed


def _move(connection: sa.Connection, after: int, last: int) -> int:
    return sum(
        execute(connection, _MOVE.format(table=table, merged=_MERGED), after=after, last=last)
        for table in ("fingerprint", *VALUES)
    )
