"""Undoes an edit: gives each changed row its values from before, or refuses with the reasons."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.edits import edit_log
from pipeline.catalog.edits.edit_log import Author, Edit, making_edit
from pipeline.catalog.edits.errors import EditRefusedError, listed
from pipeline.catalog.edits.later_splits import find_later_splits
from pipeline.catalog.edits.reversal import Reversal
from pipeline.catalog.fingerprint.track_merge_links import KINDS, lock_links
from pipeline.catalog.fingerprint.tracks import find_tracks
from pipeline.runtime.databases import Databases

UNDO: Final = "undo"
"""The kind of an edit that undoes another one."""


def undo_edit(databases: Databases, author: Author, edit_id: int) -> int:
    """Undo an edit; return the id of the undo, which is an edit and can be undone.

    Submissions that were counted since the edit stay counted.

    Args:
        databases: ``fingerprint`` is changed, ``ingest`` is read.
        author: the account that undoes the edit, and the reason.
        edit_id: the id of the edit.

    Raises:
        NotInCatalogueError: there is no such edit.
        EditRefusedError: the edit was undone before, or its rows have changed since.
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with making_edit(databases, UNDO, author) as made:
        undone = edit_log.find_edit(made.connection, edit_id)
        _refuse_undone(made.connection, undone)
        made.undoes = edit_id
        _lock(made.connection, undone)
        later = edit_log.later_edits(made.connection, undone)
        with databases.engine("ingest").connect() as ingest:
            conflicts = find_later_splits(made.connection, ingest, undone, later)
        reversal = Reversal(made.rows, undone.created)
        reversal.run(undone.changes)
        conflicts += reversal.conflicts
        if conflicts:
            raise EditRefusedError(_changed_since(undone, conflicts, later))
    return made.id


def _lock(connection: sa.Connection, edit: Edit) -> None:
    """Lock the tracks of an edit and their links, in the same order as merges do."""
    find_tracks(connection, edit.track_ids, lock=True)
    for kind in KINDS:
        lock_links(connection, kind, edit.track_ids)


def _refuse_undone(connection: sa.Connection, edit: Edit) -> None:
    if edit.undone_by is None:
        return
    last = edit
    while last.undone_by is not None:
        last = edit_log.find_edit(connection, last.undone_by)
    hint = f"; undo edit {last.id} instead" if last.id != edit.undone_by else ""
    raise EditRefusedError(f"edit {edit.id} was undone by edit {edit.undone_by}{hint}")


def _changed_since(edit: Edit, conflicts: Sequence[str], later: Sequence[Edit]) -> str:
    reasons = listed(conflicts, "; ")
    text = f"edit {edit.id} can't be undone, because its rows have changed since: {reasons}"
    of_rows = [each.id for each in later if edit.rows() & each.rows()]
    if of_rows:
        text += f" (later edits of these rows: {listed(of_rows)})"
    return text
