"""Compares the columns of a MusicBrainz database with those that this service reads."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.tables import SCHEMA

_TYPES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "uuid": frozenset({"uuid"}),
        "integer": frozenset({"int2", "int4", "int8"}),
        "text": frozenset({"text", "varchar", "bpchar"}),
        "boolean": frozenset({"bool"}),
        "timestamp with time zone": frozenset({"timestamptz"}),
    }
)
"""The types of PostgreSQL that are read in the same way, by their common name."""

_FOUND: Final = sa.text(
    """
    SELECT relname, attname, typname, has_schema_privilege(relnamespace, 'USAGE')
           AND has_column_privilege(pg_class.oid, attnum, 'SELECT')
      FROM pg_class
      JOIN pg_attribute ON attrelid = pg_class.oid
      JOIN pg_type ON pg_type.oid = atttypid
     WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema)
       AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0
    """
)


class _Column(NamedTuple):
    type: str
    is_readable: bool


class FoundColumns:
    """The columns of the schema ``musicbrainz`` of a database.

    Args:
        connection: a connection to the database, which is only read.
    """

    def __init__(self, connection: sa.Connection) -> None:
        rows = connection.execute(_FOUND, {"schema": SCHEMA}).all()
        self._columns = {(row[0], row[1]): _Column(row[2], row[3]) for row in rows}
        self._tables = {row[0] for row in rows}

    def problem(self, column: sa.Column[Any]) -> str | None:
        """Return what is wrong with a column or its table; None if it can be read."""
        table = column.table.name
        if table not in self._tables:
            return f"the table {SCHEMA}.{table} is missing"
        found = self._columns.get((table, column.name))
        if found is None:
            return f"the column {column.name} of {SCHEMA}.{table} is missing"
        kind = _kind(column.type)
        if found.type not in _TYPES[kind]:
            return (
                f"the column {column.name} of {SCHEMA}.{table} has the type {found.type}, "
                f"not {kind}"
            )
        if not found.is_readable:
            return f"the user may not read {SCHEMA}.{table} (GRANT SELECT)"
        return None


def _kind(declared: sa.types.TypeEngine[Any]) -> str:
    kinds = {
        sa.UUID: "uuid",
        sa.Integer: "integer",
        sa.String: "text",
        sa.Boolean: "boolean",
        sa.DateTime: "timestamp with time zone",
    }
    return next(kind for each, kind in kinds.items() if isinstance(declared, each))
