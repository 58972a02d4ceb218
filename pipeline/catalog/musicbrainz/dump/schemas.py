"""The schemas in which a load keeps tables, and statements about them."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import SCHEMA

NEW: Final = f"{SCHEMA}_new"
"""The schema of the tables that a load fills."""

OLD: Final = f"{SCHEMA}_old"
"""The schema of the tables that a load has replaced, until they are dropped."""

PROGRESS: Final = f"{NEW}.loaded_table"
"""The table that lists the complete tables of `NEW`. It is dropped before the switch."""


def run(connection: sa.Connection, statement: str) -> sa.CursorResult[Any]:
    """Run a statement without parameters, whose text may have any character."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def run_found(connection: sa.Connection, query: sa.TextClause, **values: Any) -> None:  # noqa: ANN401 - any SQL value
    """Run the statements that a query returns, in its order."""
    run_together(connection, connection.execute(query, values).scalars().all())


def run_together(connection: sa.Connection, statements: Sequence[str]) -> None:
    """Run statements in one round trip."""
    if statements:
        run(connection, "; ".join(statements))


def look_in(connection: sa.Connection, schema: str) -> None:
    """Find names without a schema in this one, until the transaction ends."""
    run(connection, f"SET LOCAL search_path = {schema}")


def exists(connection: sa.Connection, schema: str) -> bool:
    """Return whether a schema exists."""
    found = sa.text("SELECT to_regnamespace(:name) IS NOT NULL")
    return bool(connection.scalar(found, {"name": schema}))
