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
    related = sa.select(_related_tracks(given).c.track_id)
    changes = sa.func.jsonb_array_elements(edit.c.changes)
    change = changes.table_valued(sa.column("value", JSONB), name="change")
    row = change.c.value
    before, after = row["before"]["disabled"].as_string(), row["after"]["disabled"].as_string()
    changed = (
        sa.select(
            edit.c.id.label("edit_id"),
            row["id"].as_integer().label("link_id"),
            row["after"]["track_id"].as_integer().label("track_id"),
            row["after"]["mbid"].as_string().label("mbid"),
            after.label("disabled"),
        )
        .join_from(edit, change, sa.true())
        .where(edit.c.track_ids.op("&&")(sa.func.array(related.scalar_subquery())))
        .where(row["table"].as_string() == track_mbid.name, before.is_distinct_from(after))
        .cte("changed")
        .prefix_with("MATERIALIZED")
    )
    same_value = (changed.c.mbid == sa.cast(given.c.mbid, sa.Text)) & (
        sa.func.coalesce(track.c.new_id, track.c.id) == given.c.track_id
    )
    statement = (
        sa.select(given.c.id, changed.c.disabled == "true")
        .select_from(changed)
        .outerjoin(track, track.c.id == changed.c.track_id)
        .join(given, (changed.c.link_id == given.c.id) | same_value)
        .order_by(given.c.id, changed.c.edit_id.desc())
        .ext(distinct_on(given.c.id))
    )
    rows = connection.execute(statement)
    return frozenset(link_id for link_id, disabled in rows if disabled)


def _related_tracks(given: sa.TableValuedAlias) -> sa.CTE:
    """Return the tracks between which the links can have moved by merges and edits."""
    related = sa.select(given.c.track_id).cte("related", recursive=True)
    merged = sa.select(track.c.id).where(track.c.new_id == related.c.track_id)
    edited = sa.select(sa.func.unnest(edit.c.track_ids)).where(
        edit.c.track_ids.op("@>")(array([related.c.track_id]))
    )
    more = merged.union_all(edited).lateral("more")
    return related.union(sa.select(more.c.id).select_from(related).join(more, sa.true()))
