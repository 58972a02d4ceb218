"""Finds later edits that moved a part of a link to another track, for an undo.

An undo of an edit of the link would restore only the part that is still on the track.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.edits.edit_log import Edit
from pipeline.catalog.edits.row_changes import LINKS, NAMES, Row, RowChange, full_name
from pipeline.catalog.edits.split_links import submission_times, times_since
from pipeline.catalog.fingerprint.tables import fingerprint
from pipeline.catalog.fingerprint.track_merge_links import KINDS


def find_later_splits(
    connection: sa.Connection, ingest: sa.Connection, undone: Edit, later: Iterable[Edit]
) -> list[str]:
    """Return the later edits that prevent an undo, one text for each edit and link.

    Args:
        connection: a connection to the fingerprint database.
        ingest: a connection to the ingest database.
        undone: the edit to undo.
        later: the later edits of its tracks.
    """
    reasons: list[str] = []
    links = [change for change in undone.changes if change.table in LINKS]
    for each in later:
        if each.undone_by is not None:
            continue
        for change in links:
            if change.before is None:
                continue
            name = full_name(change.table, change.before)
            if change.after is not None:
                if _is_divided(connection, change, change.before, change.after, each):
                    reasons.append(f"edit {each.id} divided {name}")
            elif _moved_sources(connection, ingest, change, change.before, undone, each):
                reasons.append(f"edit {each.id} moved fingerprints that confirmed {name}")
    return reasons


def _is_divided(
    connection: sa.Connection, change: RowChange, before: Row, after: Row, later: Edit
) -> bool:
    """Return whether a later edit moved a part of a changed link to a link that still exists."""
    table = change.table
    changed = {name for name in before if before[name] != after[name]}
    if not changed - {"updated", "submission_count"}:
        return False  # parts of the count can move independently
    value = NAMES[table][1]
    taken = any(
        each.before["submission_count"] > each.after["submission_count"]
        for each in later.changes
        if each.table is table and each.id == change.id and each.before and each.after
    )
    parts = [
        each.id
        for each in later.changes
        if each.table is table and not each.before and (each.after or {})[value] == before[value]
    ]
    existing = sa.select(sa.exists().where(is_one_of(table.c.id, parts)))
    return taken and bool(connection.execute(existing).scalar())


def _moved_sources(
    connection: sa.Connection,
    ingest: sa.Connection,
    change: RowChange,
    before: Row,
    undone: Edit,
    later: Edit,
) -> bool:
    """Return whether a later edit moved fingerprints that had confirmed a removed link."""
    ids = [
        each.id
        for each in later.changes
        if each.table is fingerprint
        and each.before
        and each.after
        and each.before["track_id"] == before["track_id"] != each.after["track_id"]
    ]
    statement = sa.select(fingerprint.c.id).where(
        is_one_of(fingerprint.c.id, ids), fingerprint.c.track_id != before["track_id"]
    )
    moved = connection.execute(statement).scalars().all()
    [kind] = [kind for kind in KINDS if kind.table is change.table]
    times = submission_times(connection, ingest, kind, moved).get(before[kind.value], ())
    since = times_since(times, before["created"])
    return any(time is None or time <= undone.created for time in since)
