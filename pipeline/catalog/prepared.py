"""Statements that the server parses once for each connection, and plans a few times.

A batch of lookups asks one statement. To parse and plan it takes the server as long as to execute
it, and SQLAlchemy as long again to look up what it has compiled and to wrap the rows. So these go
to the driver as they are, and to SQLAlchemy where something is the matter.
"""

from collections import namedtuple
from collections.abc import Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


class Prepared:
    """A statement to execute often, on connections on which each statement stands for itself.

    Args:
        name: of the statement on the server; no other may have it.
        statement: with a type for each of its parameters, and only reading.
    """

    def __init__(self, name: str, statement: sa.Select[Any]) -> None:
        self._name = name
        self._statement = statement

    def execute(self, connection: sa.Connection, **values: object) -> Sequence[Any]:
        """Return the rows, each a tuple whose fields have the names of the columns.

        Args:
            connection: in autocommit mode, as `Databases.reading` lends it.
            values: of the parameters, by their names.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: as executing any statement.
        """
        try:
            return self._execute(connection, values)
        except psycopg2.Error:
            # A pooler between here and the server may lend another server process to each
            # transaction, which knows the name not yet, or already; a migration may have given a
            # column another type. The statement itself works then. Where it does not, SQLAlchemy
            # says why, and drops the connection if it is lost.
            return connection.execute(self._statement, values).all()

    def _execute(self, connection: sa.Connection, values: dict[str, object]) -> Sequence[Any]:
        with closing(connection.connection.cursor()) as cursor:
            if self._name not in connection.info:
                # The driver takes a lone per cent sign for a placeholder of its own.
                text = str(self._compiled).replace("%", "%%")
                cursor.execute(f"PREPARE {self._name} AS {text}", ())
                connection.info[self._name] = True
            given = {**self._compiled.params, **values}
            cursor.execute(self._call, tuple(given[name] for name in self._compiled.positiontup))
            return [self._row(*fields) for fields in cursor.fetchall()]

    @cached_property
    def _compiled(self) -> Any:  # noqa: ANN401 - SQLAlchemy's compiler
        dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        return self._statement.compile(dialect=dialect)

    @cached_property
    def _row(self) -> Any:  # noqa: ANN401 - a class of which each statement has its own
        return namedtuple("Row", self._statement.selected_columns.keys(), rename=True)

    @cached_property
    def _call(self) -> str:
        places = ", ".join(["%s"] * len(self._compiled.positiontup))
        return f"EXECUTE {self._name} ({places})" if places else f"EXECUTE {self._name}"
