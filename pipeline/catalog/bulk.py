"""Many rows in one statement: what keeps a batch's transaction short."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

Rows = Sequence[Mapping[str, Any]]
_Type = type[TypeEngine[Any]] | TypeEngine[Any]


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Rows, *key: str) -> None:
    """Insert the rows of which the key isn't there yet; the others change nothing.

    Args:
        connection: in a transaction.
        table: where to.
        rows: all with the same columns; of two with one key the first counts.
        key: the columns of a unique constraint.
    """
    if rows:
        statement = insert_listed(table, rows).on_conflict_do_nothing(index_elements=key)
        connection.execute(statement)


def insert_numbered(
    connection: sa.Connection, table: sa.Table, rows: Rows, **computed: sa.ColumnElement[Any]
) -> list[int]:
    """Insert rows and return the ids that the database gave them, in their order.

    Args:
        connection: in a transaction.
        table: where to; the database numbers its ``id``.
        rows: all with the same columns.
        computed: further columns, the same for all rows.
    """
    if not rows:
        return []
    statement = insert_listed(table, rows, **computed).returning(table.c.id)
    # The rows are inserted in order, and numbered so.
    return sorted(connection.execute(statement).scalars())


def insert_listed(table: sa.Table, rows: Rows, **computed: sa.ColumnElement[Any]) -> Insert:
    """Return the statement that inserts rows in their order; there must be one.

    Each column goes as one array: that takes a fraction of the time of as many VALUES, which
    SQLAlchemy would write out one by one.
    """
    columns = {name: (table.c[name].type, [row[name] for row in rows]) for name in rows[0]}
    given = listed("given", columns)
    values = sa.select(*(given.c[name] for name in columns), *computed.values())
    return insert(table).from_select([*columns, *computed], values.order_by(given.c.place))


def listed(name: str, columns: Mapping[str, tuple[_Type, Collection[Any]]]) -> sa.TableValuedAlias:
    """Return rows that a statement brings along, to join with: the same text for any number.

    Args:
        name: what the statement calls them.
        columns: by name, the type and the values; of equal lengths. A last column, `place`,
            counts the rows.
    """
    arrays = (sa.cast(list(values), sa.ARRAY(kind)) for kind, values in columns.values())
    rows = sa.func.unnest(*arrays).table_valued(*columns, name=name, with_ordinality="place")
    return rows.render_derived()
