"""The log of edits: the table ``edit``, and the transaction in which an edit is made."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import array

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.edits.errors import NotInCatalogueError
from pipeline.catalog.edits.row_changes import RowChange, RowRecorder
from pipeline.catalog.fingerprint.mbid_links import STATEMENT_LIMIT
from pipeline.catalog.fingerprint.tables import edit
from pipeline.catalog.fingerprint.tracks import Track, TrackName, find_current_track
from pipeline.runtime.databases import Databases, limit_statements

MAX_NOTE: Final = 2000
"""Maximum number of characters of a note."""


@dataclass(frozen=True, slots=True)
class Author:
    """The account that makes an edit, and its reason.

    Attributes:
        account_id: id of an account of the app database.
        note: the reason, as a text to display.
    """

    account_id: int
    note: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A row of the log.

    Attributes:
        kind: the name of the operation, such as ``unlink_mbid``.
        undone_by: id of the edit that undid this one; None if it was not undone.
        changes: the changed rows, in the order of the changes.
    """

    id: int
    created: datetime
    kind: str
    account_id: int
    note: str
    track_ids: Sequence[int]
    undone_by: int | None
    changes: Sequence[RowChange] = field(repr=False)

    def subjects(self) -> list[str]:
        """Return the names of the changed objects, each once."""
        return list(dict.fromkeys(change.subject() for change in self.changes))

    def rows(self) -> set[tuple[str, int]]:
        """Return table and id of each changed row."""
        return {(change.table.name, change.id) for change in self.changes}


class EditInProgress:
    """The transaction of an edit.

    Attributes:
        connection: a connection to the fingerprint database.
        rows: changes and records rows.
        id: the id of the edit; 0 until the edit is written.
        undoes: the id of the edit that this one undoes; None if it is not an undo.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.rows = RowRecorder(connection)
        self.id = 0
        self.undoes: int | None = None

    def current_track(self, name: TrackName) -> Track:
        """Return a track, locked; for a merged track the target of the merge.

        Raises:
            NotInCatalogueError: there is no such track.
        """
        found = find_current_track(self.connection, name, lock=True)
        if found is None:
            raise NotInCatalogueError(f"there is no track {name}")
        return found


@contextmanager
def making_edit(databases: Databases, kind: str, author: Author) -> Iterator[EditInProgress]:
    """Open the transaction of an edit. Its end writes the edit and commits. An error rolls back.

    Imports and merges of tracks wait until the end.

    Args:
        databases: ``fingerprint`` is changed.
        kind: the name of the operation.
        author: the account that makes the edit, and the reason.

    Raises:
        sqlalchemy.exc.OperationalError: the database is unreachable or a lock was not free in time.
    """
    with databases.engine("fingerprint").begin() as connection:
        limit_statements(connection, STATEMENT_LIMIT)
        lock_catalogue(connection)
        made = EditInProgress(connection)
        yield made
        made.id = _insert(connection, kind, author, made.rows.changes)
        if made.undoes is not None:
            undone = sa.update(edit).where(edit.c.id == made.undoes)
            connection.execute(undone.values(undone_by=made.id))


def find_edit(connection: sa.Connection, edit_id: int) -> Edit:
    """Return an edit.

    Raises:
        NotInCatalogueError: there is no edit with this id.
    """
    found = _read(connection, edit.c.id == edit_id)
    if not found:
        raise NotInCatalogueError(f"there is no edit {edit_id}")
    return found[0]


def newest_edits(connection: sa.Connection, limit: int) -> list[Edit]:
    """Return the newest edits, newest first, at most `limit`."""
    return _read(connection, sa.true(), limit)


def edits_of_tracks(
    connection: sa.Connection, track_ids: Iterable[int], limit: int | None = None
) -> list[Edit]:
    """Return the edits that changed any of these tracks, newest first."""
    ids = array(list(track_ids), type_=sa.Integer)
    return _read(connection, edit.c.track_ids.op("&&")(ids), limit)


def later_edits(connection: sa.Connection, of: Edit) -> list[Edit]:
    """Return the later edits of the tracks of an edit, oldest first."""
    ids = array(list(of.track_ids), type_=sa.Integer)
    return _read(connection, (edit.c.id > of.id) & edit.c.track_ids.op("&&")(ids))[::-1]


def undone_edit(connection: sa.Connection, edit_id: int) -> int | None:
    """Return the id of the edit that an edit undid; None if it is not an undo."""
    statement = sa.select(edit.c.id).where(edit.c.undone_by == edit_id)
    return connection.execute(statement).scalar()


def _insert(
    connection: sa.Connection, kind: str, author: Author, changes: Sequence[RowChange]
) -> int:
    values = {
        "kind": kind,
        "account_id": author.account_id,
        "note": author.note,
        "track_ids": sorted({one for change in changes for one in change.track_ids()}),
        "changes": [change.to_json() for change in changes],
    }
    statement = sa.insert(edit).values(values).returning(edit.c.id)
    return int(connection.execute(statement).scalar_one())


def _read(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], limit: int | None = None
) -> list[Edit]:
    statement = sa.select(edit).where(wanted).order_by(edit.c.id.desc()).limit(limit)
    return [_edit(row) for row in connection.execute(statement)]


def _edit(row: sa.Row[Any]) -> Edit:
    return Edit(
        id=row.id,
        created=row.created,
        kind=row.kind,
        account_id=row.account_id,
        note=row.note,
        track_ids=tuple(row.track_ids),
        undone_by=row.undone_by,
        changes=tuple(RowChange.from_json(each) for each in row.changes),
    )
