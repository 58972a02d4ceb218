"""Many rows in one statement: what keeps a batch's transaction short."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import TypeEngine


def insert_missing(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *key: str
) -> None:
    """Insert the rows of which the key isn't there yet; the others change nothing.

    Args:
        connection: in a transaction.
        table: where to.
        rows: all with the same columns; of two with one key the first counts.
        key: the columns of a unique constraint.
    """
    if not rows:
        return
    statement = insert(table).on_conflict_do_nothing(index_elements=key)
    # SQLAlchemy joins rows with a conflict clause into one statement only where it returns
    # something; otherwise each would be a round trip of its own.
    connection.execute(statement.returning(sa.literal_column("1")), rows)


def listed(
    name: str, columns: Mapping[str, tuple[type[TypeEngine[Any]], Collection[Any]]]
) -> sa.TableValuedAlias:
    """Return rows that a statement brings along, to join with: the same text for any number.

    Args:
        name: what the statement calls them.
        columns: by name, the type and the values; of equal lengths.
    """
    arrays = (sa.cast(list(values), sa.ARRAY(kind)) for kind, values in columns.values())
    return sa.func.unnest(*arrays).table_valued(*columns, name=name).render_derived()
