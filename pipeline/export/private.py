"""Reads the private tables of an export, whole, from the snapshots of three databases."""

from collections.abc import Iterator, Mapping
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.app.tables import METADATA as APP
from pipeline.catalog.fingerprint.tables import METADATA as FINGERPRINT
from pipeline.catalog.ingest.tables import METADATA as INGEST
from pipeline.data_files.private_tables import PrivateTable

METADATA: Final[Mapping[str, sa.MetaData]] = {
    "app": APP,
    "fingerprint": FINGERPRINT,
    "ingest": INGEST,
}
"""The tables of the databases that a private export reads."""

_FETCHED: Final = 100
"""Rows in one reply of PostgreSQL. A submission may have 128 KB as text."""


def count_private_rows(snapshot: sa.Connection, table: PrivateTable) -> int:
    """Return the number of rows of a table."""
    found = METADATA[table.database].tables[table.name]
    return snapshot.execute(sa.select(sa.func.count()).select_from(found)).scalar_one()


def stream_private_lines(snapshot: sa.Connection, table: PrivateTable) -> Iterator[bytes]:
    """Yield the line of each row of a table in the order of its key, with bounded memory.

    A line is what `pipeline.data_files.private_tables` describes, in UTF-8 with a line break.

    Args:
        snapshot: a snapshot of the database of the table.
        table: the table.
    """
    found = METADATA[table.database].tables[table.name]
    text = sa.cast(sa.func.row_to_json(found.table_valued()), sa.Text)
    statement = sa.select(text).order_by(*found.primary_key.columns)
    with snapshot.execute(statement, execution_options={"yield_per": _FETCHED}) as rows:
        for row in rows:
            yield f"{row[0]}\n".encode()
