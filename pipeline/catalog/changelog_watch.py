"""Hears from the database when fingerprints that others have copies of were deleted or moved."""

from contextlib import suppress
from typing import Any, Final

import sqlalchemy as sa

from pipeline.runtime.databases import Databases

CHANNEL: Final = "fingerprint_changed"
"""What the triggers of the changelog notify, as part of the commit."""


class ChangelogWatch:
    """A connection of its own that the database sends notifications on; for one thread.

    To look whether one has come costs a system call. A pooler in between may keep them back: so
    whoever depends on them asks the database itself from time to time.

    Args:
        databases: of which the fingerprint database is listened to.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._connection: sa.Connection | None = None

    def heard(self) -> bool:
        """Tell whether anything was deleted or moved since the last call, or may have been.

        Raises:
            sqlalchemy.exc.OperationalError: the database is away.
        """
        if self._connection is None:
            self._connection = self._listen()
            return True
        driver: Any = self._connection.connection.dbapi_connection
        try:
            driver.poll()
        except self._connection.dialect.loaded_dbapi.Error:
            self.close()
            return True
        heard = bool(driver.notifies)
        driver.notifies.clear()
        return heard

    def close(self) -> None:
        """Listen no more, until the next call."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):  # a lost connection can't be closed well
                connection.close()

    def _listen(self) -> sa.Connection:
        engine = self._databases.engine("fingerprint")
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # Not counted in the pool, where it might be the only connection.
        connection.detach()
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")
        return connection
