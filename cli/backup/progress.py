"""How far a backup is, from what PostgreSQL reports about the tables that it copies.

The size of a compressed dump is not known before its end. So the bar shows bytes of tables: those
of the tables that are done, and of the one that is copied, in proportion to its rows
(https://www.postgresql.org/docs/current/progress-reporting.html#COPY-PROGRESS-REPORTING).
"""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import sqlalchemy as sa

from cli.backup.snapshots import Snapshot
from pipeline.catalog.musicbrainz.dump.schemas import NEW, OLD
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases

INTERVAL: Final = 0.5
"""Seconds between two questions about the progress."""

_REPORTS_SINCE: Final = 14
"""The version of PostgreSQL that first has the view."""

# The sizes contain parts outside of the row (TOAST) and no indexes, which a dump does not have.
_TABLES: Final = sa.text(
    """
    SELECT c.oid, pg_table_size(c.oid), c.reltuples
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', :new, :old)
    """
).bindparams(new=NEW, old=OLD)

_COPIED: Final = sa.text(
    """
    SELECT p.relid, p.tuples_processed
    FROM pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid)
    WHERE a.application_name = :application AND p.datname = current_database()
    """
)


class Bar(Protocol):
    """A progress bar such as `tqdm`."""

    def update(self, n: float, /) -> object:
        """Advance the bar."""


class Table(NamedTuple):
    """Bytes and estimated rows of a table."""

    size: int
    rows: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The tables of a database.

    Attributes:
        tables: by their oid.
    """

    tables: Mapping[int, Table]

    @classmethod
    def read(cls, snapshot: Snapshot) -> "Plan":
        """Read the sizes of the tables of a database."""
        rows = snapshot.connection.execute(_TABLES)
        return cls({oid: Table(int(size or 0), float(count)) for oid, size, count in rows})

    def size(self) -> int:
        """Return the bytes of all tables."""
        return sum(each.size for each in self.tables.values())


def total_size(plans: Sequence[Plan]) -> int:
    """Return the bytes of the tables of several databases."""
    return sum(plan.size() for plan in plans)


class DumpProgress:
    """Advances a bar while a database is dumped.

    Args:
        bar: the bar, in bytes of tables.
        plan: the tables of the database.
        databases: the databases.
        snapshot: the snapshot of the database.

    Attributes:
        application: the name that the connection of the dump must have.
    """

    def __init__(self, bar: Bar, plan: Plan, databases: Databases, snapshot: Snapshot) -> None:
        self.application = f"acoustid-backup-{os.getpid()}"
        self._bar = bar
        self._plan = plan
        self._engine = databases.engine(snapshot.source.names[0])
        self._reports = snapshot.source.server_major >= _REPORTS_SINCE
        self._next = 0.0
        self._shown = 0
        self._begun: set[int] = set()

    def advance(self) -> None:
        """Advance the bar if the time for it has come. Errors of the question are no failure."""
        if not self._reports or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL
        try:
            with self._engine.connect() as connection:
                found = connection.execute(_COPIED, {"application": self.application}).all()
        except DATABASE_UNUSABLE:
            return
        for oid, rows in found:
            self._show(oid, rows)

    def finish(self) -> None:
        """Advance the bar to the end of the database."""
        self._advance_to(self._plan.size())

    def _show(self, oid: int, rows: int) -> None:
        if oid not in self._plan.tables:
            return
        table = self._plan.tables[oid]
        self._begun.add(oid)
        done = sum(self._plan.tables[each].size for each in self._begun if each != oid)
        part = min(1.0, rows / table.rows) if table.rows > 0 else 0.0
        self._advance_to(done + int(part * table.size))

    def _advance_to(self, size: int) -> None:
        """Advance the bar; a table with more rows than estimated does not move it back."""
        if size > self._shown:
            self._bar.update(size - self._shown)
            self._shown = size
