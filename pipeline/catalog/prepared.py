"""Statements that the server parses once for each connection, and plans a few times.

A batch of lookups asks one statement. To parse and plan it takes the server as long as to execute
it, and SQLAlchemy as long again to look up what it has compiled.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

# A pooler between here and the server may lend another server process to each transaction, which
# knows the name not yet, or already. And a migration may have given a column another type.
_NO_SUCH: Final = "26000"
_EXISTS: Final = "42P05"
_OUTDATED: Final = "0A000"


class Prepared:
    """A statement to execute often, on connections on which each statement stands for itself.

    Args:
        name: of the statement on the server; no other may have it.
        statement: with a type for each of its parameters.
    """

    def __init__(self, name: str, statement: sa.Select[Any]) -> None:
        self._name = name
        self._statement = statement

    def execute(
        self, connection: sa.Connection, **values: object
    ) -> Sequence[sa.Row[*tuple[Any, ...]]]:
        """Return the rows.

        Args:
            connection: in autocommit mode, as `Databases.reading` lends it.
            values: of the parameters, by their names.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: as executing any statement.
        """
        try:
            if self._name not in connection.info:
                # The driver takes a lone per cent sign for a placeholder of its own.
                text = str(self._compiled).replace("%", "%%")
                connection.exec_driver_sql(f"PREPARE {self._name} AS {text}")
                connection.info[self._name] = True
            given = {**self._compiled.params, **values}
            ordered = tuple(given[name] for name in self._compiled.positiontup)
            return connection.exec_driver_sql(self._call, ordered).all()
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in (_NO_SUCH, _EXISTS, _OUTDATED):
                raise
        return connection.execute(self._statement, values).all()

    @cached_property
    def _compiled(self) -> Any:  # noqa: ANN401 - SQLAlchemy's compiler
        dialect = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        return self._statement.compile(dialect=dialect)

    @cached_property
    def _call(self) -> str:
        places = ", ".join(["%s"] * len(self._compiled.positiontup))
        return f"EXECUTE {self._name} ({places})" if places else f"EXECUTE {self._name}"
