"""Finds the links to MBIDs that an edit disabled. Merges of MBIDs and of tracks keep them so."""

from collections.abc import Mapping
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, array, distinct_on

from pipeline.catalog.bulk_statements import array_rows
from pipeline.catalog.fingerprint.tables import edit, track, track_mbid


def unlinked_by_edits(
    connection: sa.Connection, links: Mapping[int, tuple[int, UUID]]
) -> frozenset[int]:
    """Return the links whose state an edit changed last, and changed to disabled.

    A link also has the edits of its MBID on the tracks that were merged into its track, because a
    merge of tracks keeps one of equal links.

    Args:
        connection: a connection to the fingerprint database.
        links: track id and MBID of disabled links, by link id.
    """
    if not links:
        return frozenset()
    given = array_rows(
        "given",
        {
            "id": (sa.Integer, links),
            "track_id": (sa.Integer, [track_id for track_id, _ in links.values()]),
            "mbid": (track_mbid.c.mbid.type, [mbid for _, mbid in links.values()]),
        },
    )
    related = _related_tracks(given)
    changes = sa.func.jsonb_array_elements(edit.c.changes)
    change = changes.table_valued(sa.column("value", JSONB), name="change")
    row = change.c.value
    before, after = row["before"], row["after"]
    same_link = row["id"].as_integer() == given.c.id
    same_value = (
        (after["track_id"].as_integer() == track.c.id)
        & (after["mbid"].as_string() == sa.cast(given.c.mbid, sa.Text))
        & ((track.c.id == given.c.track_id) | (track.c.new_id == given.c.track_id))
    )
    statement = (
        sa.select(given.c.id, after["disabled"].as_string() == "true")
        .select_from(given)
        .join(related, related.c.id == given.c.id)
        .join(track, track.c.id == related.c.track_id)
        .join(edit, edit.c.track_ids.op("@>")(array([track.c.id])))
        .join(change, sa.true())
        .where(row["table"].as_string() == track_mbid.name, same_link | same_value)
        .where(before["disabled"].as_string().is_distinct_from(after["disabled"].as_string()))
        .order_by(given.c.id, edit.c.id.desc())
        .ext(distinct_on(given.c.id))
    )
    rows = connection.execute(statement)
    return frozenset(link_id for link_id, disabled in rows if disabled)


def _related_tracks(given: sa.TableValuedAlias) -> sa.CTE:
    """Return the tracks between which a link can have moved by merges and edits, by link id."""
    related = sa.select(given.c.id, given.c.track_id).cte("related", recursive=True)
    merged = sa.select(track.c.id).where(track.c.new_id == related.c.track_id)
    edited = sa.select(sa.func.unnest(edit.c.track_ids)).where(
        edit.c.track_ids.op("@>")(array([related.c.track_id]))
    )
    more = merged.union_all(edited).lateral("more")
    return related.union(sa.select(related.c.id, more.c.id).join_from(related, more, sa.true()))
