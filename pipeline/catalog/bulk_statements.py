"""SQL for many rows in one statement: inserts, conditions and updates over arrays of values.

A statement takes each column as one array. Its text is the same for any number of rows, and
SQLAlchemy does not write out a VALUES list, which takes several times as long.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.types import TypeEngine

Rows = Sequence[Mapping[str, Any]]
_Type = type[TypeEngine[Any]] | TypeEngine[Any]


def is_one_of(column: sa.Column[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a column has one of the values. They are a single parameter."""
    return column == sa.any_(sa.cast(list(values), sa.ARRAY(column.type)))


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Rows, *key: str) -> None:
    """Insert the rows whose key the table does not have; leave the others as they are.

    Args:
        connection: a connection in a transaction.
        table: the table to insert into.
        rows: all with the same columns; of two rows with one key the first is inserted.
        key: the columns of a unique constraint.
    """
    if rows:
        statement = insert_rows(table, rows).on_conflict_do_nothing(index_elements=key)
        connection.execute(statement)


def insert_numbered(
    connection: sa.Connection, table: sa.Table, rows: Rows, **computed: sa.ColumnElement[Any]
) -> list[int]:
    """Insert rows and return the ids that the database gave them, in the order of the rows.

    Args:
        connection: a connection in a transaction.
        table: the table to insert into; the database numbers its ``id``.
        rows: all with the same columns.
        computed: further columns, equal in all rows.
    """
    if not rows:
        return []
    statement = insert_rows(table, rows, **computed).returning(table.c.id)
    # PostgreSQL inserts and numbers the rows in their order.
    return sorted(connection.execute(statement).scalars())


def insert_rows(table: sa.Table, rows: Rows, **computed: sa.ColumnElement[Any]) -> Insert:
    """Return the statement that inserts at least one row, in the order of the rows.

    Args:
        table: the table to insert into.
        rows: all with the same columns.
        computed: further columns, equal in all rows.
    """
    columns = {name: (table.c[name].type, [row[name] for row in rows]) for name in rows[0]}
    given = array_rows("given", columns)
    values = sa.select(*(given.c[name] for name in columns), *computed.values())
    return insert(table).from_select([*columns, *computed], values.order_by(given.c.place))


def array_rows(
    name: str, columns: Mapping[str, tuple[_Type, Collection[Any]]]
) -> sa.TableValuedAlias:
    """Return rows made of arrays, from which a statement can select.

    Args:
        name: the name of the rows in the statement.
        columns: type and values by name; all of the same length. A further column, `place`,
            numbers the rows from 1.
    """
    arrays = (sa.cast(list(values), sa.ARRAY(kind)) for kind, values in columns.values())
    rows = sa.func.unnest(*arrays).table_valued(*columns, name=name, with_ordinality="place")
    return rows.render_derived()


def replace_ids(
    connection: sa.Connection,
    column: sa.Column[int],
    replacements: Mapping[int, int],
    *conditions: sa.ColumnElement[bool],
) -> int:
    """Replace ids in a column by one statement; return the number of changed rows.

    Args:
        connection: a connection to the database of the column's table, in a transaction.
        column: the column with the ids of rows that were merged.
        replacements: the new id by the old one.
        conditions: conditions that a row must meet to be changed.
    """
    if not replacements:
        return 0
    pairs = array_rows(
        "replaced",
        {"old": (sa.Integer, replacements), "new": (sa.Integer, replacements.values())},
    )
    statement = (
        sa.update(column.table)
        .where(column == pairs.c.old, *conditions)
        .values({column.name: pairs.c.new})
    )
    return connection.execute(statement).rowcount
