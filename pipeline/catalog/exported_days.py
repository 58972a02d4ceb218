"""Records that rows were added to a day that is over.

An export writes the file of such a day again, although it has ended. Rows that are new or changed
need no record: their time is that of the transaction.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.fingerprint.tables import imported_day


def add_row_to_day(connection: sa.Connection, table: sa.Table, created: datetime) -> None:
    """Record that a row was inserted whose time is in the past, as by an undo.

    Args:
        connection: a connection to the fingerprint database, in the transaction that inserts it.
        table: its table.
        created: its time.
    """
    statement = insert(imported_day).values(
        table_name=table.name, day=created.astimezone(UTC).date(), imported=sa.func.now()
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[imported_day.c.table_name, imported_day.c.day],
            set_={"imported": statement.excluded.imported},
        )
    )
