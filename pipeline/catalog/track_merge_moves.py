"""Lets what refers to one row refer to another: the last step of every merge."""

from collections.abc import Mapping

import sqlalchemy as sa


def move(
    connection: sa.Connection,
    column: sa.Column[int],
    moves: Mapping[int, int],
    *conditions: sa.ColumnElement[bool],
) -> int:
    """Replace ids in a column, all in one statement; return how many rows that changed.

    Args:
        connection: to the database of the column's table, in a transaction.
        column: what refers to the rows that were merged.
        moves: the id that replaces each id.
        conditions: of the rows that are looked at; all unless given.
    """
    if not moves:
        return 0
    moved = (
        sa.func.unnest(
            sa.cast(list(moves), sa.ARRAY(sa.Integer)),
            sa.cast(list(moves.values()), sa.ARRAY(sa.Integer)),
        )
        .table_valued("old", "new", name="moved")
        .render_derived()
    )
    statement = (
        sa.update(column.table)
        .where(column == moved.c.old, *conditions)
        .values({column.name: moved.c.new})
    )
    return connection.execute(statement).rowcount
