"""Digests of the tables of a catalogue, to compare two databases."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from pipeline.catalog.fingerprint import tables
from pipeline.runtime.databases import Databases

TABLES: Final = (
    tables.track,
    tables.meta,
    tables.fingerprint,
    tables.track_mbid,
    tables.track_puid,
    tables.track_meta,
    tables.track_foreignid,
    tables.foreignid_vendor,
    tables.foreignid,
)
"""The tables whose rows an export and an import keep."""

_LEFT_OUT: Final = frozenset({"format_id"})
"""The ids of formats belong to the app database; their names are kept."""


def table_digests(databases: Databases) -> Mapping[str, tuple[int, str]]:
    """Return the number of rows of each table, and a digest of all of them, by its name.

    Args:
        databases: the fingerprint database is read.
    """
    with databases.engine("fingerprint").begin() as connection:
        connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
        return {table.name: _digest(connection, table) for table in TABLES}


def _digest(connection: sa.Connection, table: sa.Table) -> tuple[int, str]:
    row = sa.func.row(*(each for each in table.c if each.name not in _LEFT_OUT))
    one = sa.func.md5(sa.cast(row, sa.Text))
    joined = sa.func.string_agg(one, aggregate_order_by(sa.literal(""), table.c.id))
    count, digest = connection.execute(sa.select(sa.func.count(), sa.func.md5(joined))).one()
    return count, digest or ""
