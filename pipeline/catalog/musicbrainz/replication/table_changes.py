"""Applies the staged changes of one table, in the order in which MusicBrainz made them.

The statements have the effect of MusicBrainz's ``admin/replication/ProcessReplicationChanges``: an
update sets the columns that differ between the old and the new row, and an update or a deletion of
a row that the copy does not have changes nothing. Columns that the copy does not have are left out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError
from pipeline.catalog.musicbrainz.replication.staging import STAGED

_MOST_ROWS: Final = 1000  # of a statement
_MOST_BYTES: Final = 1 << 20  # characters of a statement
_ROWS_READ: Final = 500

_CHANGES: Final = sa.text(
    f"""
    SELECT op, olddata::text AS old, newdata::text AS new
      FROM (SELECT *, max(seqid) OVER (PARTITION BY xid) AS last_of_transaction FROM {STAGED}) AS c
     WHERE tablename = :name
     ORDER BY last_of_transaction, seqid
    """  # noqa: S608 - the only inserted text is a constant
)


@dataclass(slots=True)
class Counts:
    """The changes of one table.

    Attributes:
        inserted: inserted rows.
        updated: updated rows.
        deleted: deleted rows.
        missing: updates and deletions of rows that the copy does not have.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    missing: int = 0

    @property
    def changed(self) -> int:
        """Number of changed rows."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of one row.

    Attributes:
        op: i, u or d.
        columns: the columns that an update sets.
        key: the values of the primary key before an update or a deletion, after an insertion.
        old: the old row as JSON, empty for an insertion.
        new: the new row as JSON, empty for a deletion.
        is_alone: the statement has no other row, since the update changes a key.
    """

    op: str
    columns: tuple[str, ...]
    key: tuple[Any, ...]
    old: str
    new: str
    is_alone: bool


@dataclass(slots=True)
class _Batch:
    """Changes of different rows that one statement makes."""

    changes: list[_Change] = field(default_factory=list)
    keys: set[tuple[Any, ...]] = field(default_factory=set)
    size: int = 0

    def takes(self, change: _Change) -> bool:
        """Return whether a change may be made by the same statement."""
        if not self.changes:
            return True
        first = self.changes[0]
        return (
            (first.op, first.columns) == (change.op, change.columns)
            and not (first.is_alone or change.is_alone)
            and change.key not in self.keys
            and len(self.changes) < _MOST_ROWS
            and self.size < _MOST_BYTES
        )

    def add(self, change: _Change) -> None:
        """Add a change."""
        self.changes.append(change)
        self.keys.add(change.key)
        self.size += len(change.old) + len(change.new)


class TableChanges:
    """The changes of one table.

    Args:
        connection: a connection in the transaction of the packet, with the staged changes.
        table: the table.
    """

    def __init__(self, connection: sa.Connection, table: sa.Table) -> None:
        self._connection = connection
        self._table = table
        self._columns = tuple(table.columns.keys())
        self._key = tuple(column.name for column in table.primary_key)
        # An update of one of these may need the effect of the change before it.
        self._unique = {*self._key, *(column.name for column in table.columns if column.unique)}
        self.counts = Counts()

    def apply(self) -> Counts:
        """Apply all changes; return their numbers.

        Raises:
            ReplicationError: the packet has not all columns of the table, or inserts a row that the
                copy has.
            sqlalchemy.exc.DBAPIError: the database fails.
        """
        batch = _Batch()
        for change in self._read():
            if not batch.takes(change):
                self._execute(batch)
                batch = _Batch()
            batch.add(change)
        self._execute(batch)
        return self.counts

    def _read(self) -> Iterator[_Change]:
        result = self._connection.execute(
            _CHANGES, {"name": self._table.fullname}, execution_options={"yield_per": _ROWS_READ}
        )
        with result:
            for op, old, new in result:
                change = self._change(op, old, new)
                if change is not None:
                    yield change

    def _change(self, op: str, old_text: str | None, new_text: str | None) -> _Change | None:
        """Return a change; None for an update that changes no column of the copy."""
        old, new = self._row(old_text), self._row(new_text)
        if op != "d" and not new.keys() >= set(self._columns):
            missing = ", ".join(name for name in self._columns if name not in new)
            raise self._other_schema(f"no column {missing}")
        before = new if op == "i" else old
        if not before.keys() >= set(self._key):
            raise self._other_schema("no primary key")
        columns = self._columns
        if op == "u":
            columns = tuple(c for c in columns if c not in old or old[c] != new[c])
            if not columns:
                return None
        return _Change(
            op=op,
            columns=columns if op != "d" else (),
            key=tuple(before[name] for name in self._key),
            old=old_text or "",
            new=new_text or "",
            is_alone=op == "u" and self._changes_key(columns, old, new),
        )

    def _row(self, text: str | None) -> dict[str, Any]:
        row = json.loads(text) if text else {}
        if not isinstance(row, dict):
            raise self._other_schema("a row in an unknown form")
        return row

    def _changes_key(
        self, columns: tuple[str, ...], old: dict[str, Any], new: dict[str, Any]
    ) -> bool:
        # Packets of the first dbmirror have only the key of the old row.
        return any(
            name in old and old[name] != new[name] for name in columns if name in self._unique
        )

    def _execute(self, batch: _Batch) -> None:
        if not batch.changes:
            return
        first = batch.changes[0]
        values = {
            "old": f"[{','.join(change.old for change in batch.changes)}]",
            "new": f"[{','.join(change.new for change in batch.changes)}]",
        }
        try:
            done = self._connection.execute(sa.text(self._statement(first)), values).rowcount
        except (sa.exc.IntegrityError, sa.exc.DataError) as error:
            raise self._refused(error) from error
        if first.op == "i":
            self.counts.inserted += done
            return
        self.counts.missing += len(batch.changes) - done
        if first.op == "u":
            self.counts.updated += done
        else:
            self.counts.deleted += done

    def _statement(self, change: _Change) -> str:
        name = self._table.fullname
        new = f"json_populate_recordset(NULL::{name}, CAST(:new AS json)) AS after"
        old = f"json_populate_recordset(NULL::{name}, CAST(:old AS json)) AS before"
        if change.op == "i":
            listed = ", ".join(f'"{column}"' for column in self._columns)
            return f"INSERT INTO {name} ({listed}) SELECT {listed} FROM {new}"  # noqa: S608 - names of this program
        if change.op == "d":
            return f"DELETE FROM {name} AS kept USING {old} WHERE {self._same('before')}"  # noqa: S608 - names of this program
        values = ", ".join(f'"{column}" = after."{column}"' for column in change.columns)
        if change.is_alone:
            return (
                f"UPDATE {name} AS kept SET {values} FROM {old}, {new} WHERE {self._same('before')}"  # noqa: S608 - names of this program
            )
        return f"UPDATE {name} AS kept SET {values} FROM {new} WHERE {self._same('after')}"  # noqa: S608 - names of this program

    def _same(self, source: str) -> str:
        return " AND ".join(f'kept."{column}" = {source}."{column}"' for column in self._key)

    def _other_schema(self, fault: str) -> ReplicationError:
        return ReplicationError(
            f"a row of {self._table.name} has {fault}: the packet needs a newer version of this "
            "service"
        )

    def _refused(self, error: sa.exc.DBAPIError) -> ReplicationError:
        diag = getattr(error.orig, "diag", None)
        reason = getattr(diag, "message_primary", None) or "a row is refused"
        detail = getattr(diag, "message_detail", None)
        return ReplicationError(
            f"a change of {self._table.name} does not fit to the copy: {reason}"
            f"{f' ({detail})' if detail else ''}: load a newer dump with `acoustid "
            "musicbrainz load`"
        )
