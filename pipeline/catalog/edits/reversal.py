"""Reverses recorded changes of rows, and finds later changes of these rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from pipeline.catalog.edits.row_changes import (
    LINKS,
    NAMES,
    Row,
    RowChange,
    RowRecorder,
    full_name,
)
from pipeline.catalog.exported_days import add_row_to_day
from pipeline.catalog.fingerprint.tables import fingerprint, track, track_mbid
from pipeline.catalog.fingerprint.tracks import find_tracks

_REFERENCES: Final[Mapping[sa.Table, Sequence[sa.Column[Any]]]] = {
    track: (fingerprint.c.track_id, *(table.c.track_id for table in LINKS), track.c.new_id),
    track_mbid: (track_mbid.c.merged_into,),
}
"""The columns that refer to the rows of a table."""

_TIMES: Final = frozenset({"created", "updated"})
_COUNT: Final = "submission_count"


class Reversal:
    """Reverses changes of rows, the last one first.

    A row that has changed since is left as it is, and the reason is noted. The caller then rolls
    the transaction back.

    Args:
        rows: makes the changes and records them.
        edited: the time of the edit.

    Attributes:
        conflicts: the later changes, one text for each.
    """

    def __init__(self, rows: RowRecorder, edited: datetime) -> None:
        self._rows = rows
        self._edited = edited
        self.conflicts: list[str] = []

    def run(self, changes: Sequence[RowChange]) -> None:
        """Reverse the changes of an edit."""
        for change in reversed(changes):
            if change.before is None:
                reasons = self._remove(change, change.after or {})
            elif change.after is None:
                reasons = self._restore(change, change.before)
            else:
                reasons = self._reset(change, change.before, change.after)
            self.conflicts += [each for each in reasons if each not in self.conflicts]

    def _remove(self, change: RowChange, after: Row) -> list[str]:
        """Delete a row that the edit inserted."""
        current = self._rows.lock(change.table, change.id)
        if current is None:
            return [f"{full_name(change.table, after)} was removed"]
        reasons = _differences(change.table, after, current, after.keys() - {"updated"})
        reasons = reasons or self._references(change, after)
        if not reasons:
            self._rows.delete(change.table, change.id)
        return reasons

    def _restore(self, change: RowChange, before: Row) -> list[str]:
        """Insert a row that the edit deleted."""
        reasons = self._merged_track(before) or self._occupants(change, before)
        if not reasons:
            self._rows.insert(change.table, {**before, "updated": sa.func.now()})
            if change.table is fingerprint:
                add_row_to_day(self._rows.connection, fingerprint, before["created"])
        return reasons

    def _reset(self, change: RowChange, before: Row, after: Row) -> list[str]:
        """Give a row the values from before the edit, in the columns that the edit changed."""
        merged = self._merged_track(before)
        if merged:
            return merged
        current = self._rows.lock(change.table, change.id)
        if current is None:
            return [f"{full_name(change.table, after)} was removed"]
        reasons = _differences(change.table, after, current, after.keys() - {*_TIMES, _COUNT})
        changed = [name for name in before if before[name] != after[name] and name not in _TIMES]
        values = {name: before[name] for name in changed}
        if not reasons and values.keys() - {_COUNT}:
            reasons = self._occupants(change, before)
        if _COUNT in values:
            # Submissions since the edit stay counted.
            values[_COUNT] = current[_COUNT] + before[_COUNT] - after[_COUNT]
            if values[_COUNT] < 0:
                reasons += _differences(change.table, after, current, {_COUNT})
        if not reasons:
            self._rows.update(change.table, change.id, values)
        return reasons

    def _merged_track(self, row: Row) -> list[str]:
        """Return the reason why a row can't belong to its track; empty if it can."""
        if "track_id" not in row:
            return []
        connection = self._rows.connection
        found = find_tracks(connection, [row["track_id"]], lock=True).get(row["track_id"])
        if found is None:
            return [f"track {row['track_id']} was removed"]
        if found.new_id is None:
            return []
        target = find_tracks(connection, [found.new_id])[found.new_id]
        return [f"track {found.gid} was merged into track {target.gid}"]

    def _occupants(self, change: RowChange, before: Row) -> list[str]:
        """Return the other rows with the id or the unique values of the row before the edit."""
        table, named = change.table, full_name(change.table, before)
        other = table.c.id != change.id
        if table is fingerprint:
            # Equal fingerprints can exist. Only one that was added since replaces the row.
            same = other & (table.c.gid == before["gid"]) & (table.c.created >= self._edited)
        elif table in LINKS:
            value = NAMES[table][1]
            of_track = table.c.track_id == before["track_id"]
            same = other & of_track & (table.c[value] == before[value])
        else:
            same = other & (table.c.gid == before["gid"])
        if change.after is None:
            same |= table.c.id == change.id
        statement = sa.select(table.c.id).where(same).order_by(table.c.id)
        found = self._rows.connection.execute(statement).scalars()
        again = f"{named} was added again"
        if table is fingerprint:
            return [f"{again} as fingerprint {row_id}" for row_id in found]
        return [again for _ in found]

    def _references(self, change: RowChange, after: Row) -> list[str]:
        """Return the rows that refer to a row."""
        reasons = []
        for column in _REFERENCES.get(change.table, ()):
            table = column.table
            word, shown = NAMES[table]
            named = sa.select(table.c[shown]).where(column == change.id).order_by(table.c.id)
            verb = "is linked to" if table in LINKS else "belongs to"
            if column.name in ("new_id", "merged_into"):
                verb = "was merged into"
            target = full_name(change.table, after)
            values = self._rows.connection.execute(named).scalars()
            reasons += [f"{word} {value} {verb} {target}" for value in values]
        return reasons


def _differences(table: sa.Table, after: Row, current: Row, names: set[str]) -> list[str]:
    return [
        f"{full_name(table, after)}: {name} is {current[name]} and was {after[name]} after the edit"
        for name in sorted(names)
        if current[name] != after[name] and not isinstance(after[name], bytes)
    ]
