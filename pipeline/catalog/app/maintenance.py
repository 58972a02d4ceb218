"""The maintenance mode, in which front ends refuse requests that write to a database.

Functions work on a connection to the ``app`` database, and the caller commits. The table has one
row while the mode is on.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.catalog.app.tables import maintenance

_ID = 1


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A maintenance that has begun.

    Attributes:
        since: the time of its begin.
        reason: the reason for clients; empty if the operator gave none.
    """

    since: datetime
    reason: str


def find_maintenance(connection: sa.Connection) -> Maintenance | None:
    """Return the maintenance, None if the mode is off."""
    row = connection.execute(sa.select(maintenance.c.since, maintenance.c.reason)).first()
    return None if row is None else Maintenance(row.since, row.reason)


def begin_maintenance(connection: sa.Connection, reason: str | None = None) -> None:
    """Turn the mode on. If it is on already, only change the reason, unless it is None."""
    statement = insert(maintenance).values(id=_ID, reason=reason or "")
    if reason is None:
        connection.execute(statement.on_conflict_do_nothing())
        return
    connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={"reason": reason})
    )


def end_maintenance(connection: sa.Connection) -> None:
    """Turn the mode off. If it is off already, change nothing."""
    connection.execute(sa.delete(maintenance))
