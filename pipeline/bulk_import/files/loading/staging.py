"""The staging table of a file: a temporary table, which is empty at the end of a transaction."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from pipeline.bulk_import.files.reading.batches import LINE, Batch
from pipeline.bulk_import.files.reading.table_rows import TableRows
from pipeline.catalog.binary_copy import copy_rows
from pipeline.runtime.rebuildable_error import RebuildableError

STAGING: Final = "incoming"
"""Its name in SQL."""

SETTINGS: Final = (
    # The triggers of the tables keep the times and the deletions of the files.
    "SET LOCAL acoustid.keep_changes = on",
    # The staging table has no statistics. A join of it with a table of the catalogue uses the
    # index of that table, however small the planner believes it to be.
    "SET LOCAL enable_hashjoin = off",
    "SET LOCAL enable_mergejoin = off",
)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a statement found out about a line.

    Attributes:
        line: the number of the line.
        reason: what is wrong.
    """

    line: int
    reason: str


class ConflictError(RebuildableError):
    """A line disagrees with a row that is here. Skipping it would not help: the run stops.

    Args:
        line: the number of the line.
        reason: what disagrees.
    """

    def __init__(self, line: int, reason: str) -> None:
        self.found = Found(line, reason)

    def __str__(self) -> str:
        """Return the reason."""
        return self.found.reason


def create_staging(connection: sa.Connection, rows: TableRows) -> None:
    """Create the staging table for the rows of a file, in place of that of another file."""
    columns = ", ".join(f"{each.name} {each.kind.sql}" for each in rows.columns)
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {STAGING}")
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {STAGING} ({LINE} bigint, {columns}) ON COMMIT DELETE ROWS"
    )


def begin_batch(connection: sa.Connection) -> None:
    """Set the options of a transaction that writes a batch."""
    for statement in SETTINGS:
        connection.exec_driver_sql(statement)


def stage(connection: sa.Connection, rows: TableRows, batch: Batch) -> None:
    """Copy the rows of a batch to the staging table."""
    if batch.count:
        copy_rows(connection, STAGING, [LINE, *(each.name for each in rows.columns)], batch.rows)


def query(connection: sa.Connection, statement: str, **values: Any) -> list[Found]:  # noqa: ANN401
    """Return the lines that a statement selects: columns ``line`` and ``reason``."""
    found = connection.execute(sa.text(statement), values).all()
    return sorted((Found(*row) for row in found), key=lambda each: each.line)


def refuse_conflicts(connection: sa.Connection, *statements: str) -> None:
    """Raise an error if a statement selects a line.

    Raises:
        ConflictError: one does; the error has the first line.
    """
    for statement in statements:
        if found := query(connection, statement):
            first = found[0]
            raise ConflictError(first.line, first.reason)


def take_out(connection: sa.Connection, statement: str) -> list[Found]:
    """Delete the lines that a statement selects from the staging table, and return them."""
    found = query(connection, statement)
    if found:
        connection.execute(
            sa.text("DELETE FROM incoming WHERE line = ANY(:lines)"),
            {"lines": [each.line for each in found]},
        )
    return found


def execute(connection: sa.Connection, statement: str, **values: Any) -> int:  # noqa: ANN401
    """Run a statement; return the number of changed rows."""
    return connection.execute(sa.text(statement), values).rowcount
