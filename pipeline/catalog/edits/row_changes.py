"""Changes rows of the fingerprint database, and records each row before and after its change."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.fingerprint.tables import (
    fingerprint,
    track,
    track_foreignid,
    track_mbid,
    track_meta,
    track_puid,
)

TABLES: Final[Mapping[str, sa.Table]] = {
    table.name: table
    for table in (track, fingerprint, track_mbid, track_puid, track_meta, track_foreignid)
}
"""The tables that edits change, by name. Each has the columns ``id`` and ``updated``."""

LINKS: Final = (track_mbid, track_puid, track_meta, track_foreignid)
"""The tables of links."""

NAMES: Final[Mapping[sa.Table, tuple[str, str]]] = {
    track: ("track", "gid"),
    fingerprint: ("fingerprint", "id"),
    track_mbid: ("MBID", "mbid"),
    track_puid: ("PUID", "puid"),
    track_meta: ("text", "meta_id"),
    track_foreignid: ("foreign id", "foreignid_id"),
}
"""How a text names a row, or the value of a link: a word, and the column after it."""

Row = Mapping[str, Any]

_READERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    bytes: base64.b64decode,
}


@dataclass(frozen=True, slots=True)
class RowChange:
    """One changed row.

    Attributes:
        table: the table of the row.
        id: the id of the row.
        before: the row before the change; None if it did not exist.
        after: the row after the change; None if it does not exist any more.

    A row that exists before and after is recorded without the columns that are large.
    """

    table: sa.Table
    id: int
    before: Row | None
    after: Row | None

    def to_json(self) -> dict[str, Any]:
        """Return the change as a JSON object."""
        return {
            "table": self.table.name,
            "id": self.id,
            "before": _row_to_json(self.before),
            "after": _row_to_json(self.after),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "RowChange":
        """Return the change of a JSON object."""
        table = TABLES[stored["table"]]
        before, after = (_row_from_json(table, stored[name]) for name in ("before", "after"))
        return cls(table, stored["id"], before, after)

    def subject(self) -> str:
        """Return the name of the changed object; see `subject`."""
        return subject(self.table, self.before or self.after or {})

    def track_ids(self) -> set[int]:
        """Return the ids of the row's tracks, before and after."""
        if self.table is track:
            return {self.id}
        return {row["track_id"] for row in (self.before, self.after) if row is not None}


class RowRecorder:
    """Changes rows in the order of the calls, and records the changes.

    Args:
        connection: a connection to the fingerprint database, in a transaction.

    Attributes:
        connection: the same connection.
        changes: the changes so far, at most one of each row.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.changes: list[RowChange] = []

    def lock(self, table: sa.Table, row_id: int) -> Row | None:
        """Return a row, locked until the transaction ends; None if there is none."""
        statement = sa.select(table).where(table.c.id == row_id).with_for_update()
        found = self.connection.execute(statement).mappings().first()
        return None if found is None else dict(found)

    def insert(self, table: sa.Table, values: Row) -> Row:
        """Insert a row and return it."""
        statement = sa.insert(table).values(dict(values)).returning(*table.c)
        after = dict(self.connection.execute(statement).mappings().one())
        self.changes.append(RowChange(table, after["id"], None, after))
        return after

    def update(self, table: sa.Table, row_id: int, values: Row) -> None:
        """Change columns of an existing row, and its time of change."""
        light = [column for column in table.c if not isinstance(column.type, sa.LargeBinary)]
        where = table.c.id == row_id
        wanted = sa.select(*light).where(where).with_for_update()
        before = dict(self.connection.execute(wanted).mappings().one())
        statement = sa.update(table).where(where).values(**values, updated=sa.func.now())
        after = dict(self.connection.execute(statement.returning(*light)).mappings().one())
        self.changes.append(RowChange(table, row_id, before, after))

    def delete(self, table: sa.Table, row_id: int) -> None:
        """Delete an existing row."""
        statement = sa.delete(table).where(table.c.id == row_id).returning(*table.c)
        before = dict(self.connection.execute(statement).mappings().one())
        self.changes.append(RowChange(table, row_id, before, None))


def subject(table: sa.Table, row: Row) -> str:
    """Return the name of a track or a fingerprint, or the value of a link."""
    word, column = NAMES[table]
    return f"{word} {row[column]}"


def full_name(table: sa.Table, row: Row) -> str:
    """Return the name of a track or a fingerprint; for a link the names of both its ends."""
    value = subject(table, row)
    return f"the link of track {row['track_id']} to {value}" if table in LINKS else value


def _row_to_json(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else {name: _to_json(value) for name, value in row.items()}


def _to_json(value: Any) -> Any:  # noqa: ANN401 - the value of any column
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(value).decode("ascii")
    return value


def _row_from_json(table: sa.Table, row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {name: _from_json(table.c[name], value) for name, value in row.items()}


def _from_json(column: sa.Column[Any], value: Any) -> Any:  # noqa: ANN401 - the value of any column
    read = _READERS.get(column.type.python_type)
    return value if read is None or value is None else read(value)
