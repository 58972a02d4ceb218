"""Reads and writes up to which packet the copy follows MusicBrainz.

MusicBrainz's table ``replication_control`` has one row. A dump fills it, and each packet advances
it in the transaction of its changes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz.replication.errors import ReplicationError
from pipeline.catalog.musicbrainz.tables import recording, replication_control
from pipeline.catalog.schema_version import is_mirror

_LOAD: Final = "load a dump with `acoustid musicbrainz load`"


@dataclass(frozen=True, slots=True)
class Position:
    """The state of a copy of MusicBrainz.

    Attributes:
        schema: the schema sequence of MusicBrainz, which all packets of the copy must have.
        sequence: the number of the last applied packet; None if a dump has no number.
        replicated: time up to which the copy has the changes of MusicBrainz; None if unknown.
        lag: seconds from `replicated` to now, by the clock of PostgreSQL; None if unknown.
    """

    schema: int
    sequence: int | None
    replicated: datetime | None
    lag: float | None


def read_position(connection: sa.Connection) -> Position | None:
    """Return the state of a copy or of a mirror; None if ``replication_control`` has no row.

    Raises:
        sqlalchemy.exc.DBAPIError: the table cannot be read.
    """
    control = replication_control.c
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - control.last_replication_date)
    statement = sa.select(
        control.current_schema_sequence,
        control.current_replication_sequence,
        control.last_replication_date,
        sa.cast(age, sa.Float),
    ).order_by(control.last_replication_date.desc().nulls_last())
    row = connection.execute(statement.limit(1)).first()
    return Position(*row) if row is not None else None


def followed_position(connection: sa.Connection) -> tuple[Position, int]:
    """Return the state of a copy that can be followed, and the number of its last packet.

    Raises:
        ReplicationError: the database is a mirror, which its own tools follow, or the copy is empty
            or of an unknown packet.
        sqlalchemy.exc.DBAPIError: the database cannot be read.
    """
    if is_mirror(connection, "musicbrainz"):
        raise ReplicationError(
            "the database musicbrainz is a mirror, which `acoustid migrate` did not make: follow "
            "MusicBrainz with the tools of the mirror"
        )
    position = read_position(connection)
    if position is None or connection.execute(sa.select(recording.c.id).limit(1)).first() is None:
        raise ReplicationError(f"the copy of MusicBrainz is empty: {_LOAD}")
    if position.sequence is None:
        raise ReplicationError(
            "the copy of MusicBrainz has no number of a packet, so the next packet is not known: "
            f"{_LOAD} of https://metabrainz.org/datasets"
        )
    return position, position.sequence


def advance(connection: sa.Connection, sequence: int, timestamp: str) -> datetime:
    """Store that a packet was applied; return the time up to which the copy has the changes.

    Args:
        connection: a connection in the transaction of the packet's changes.
        sequence: the number of the packet.
        timestamp: its time, as PostgreSQL writes a ``timestamp with time zone``.

    Raises:
        sqlalchemy.exc.DBAPIError: the time is invalid.
    """
    control = replication_control.c
    statement = (
        sa.update(replication_control)
        .values(
            current_replication_sequence=sequence,
            last_replication_date=sa.cast(
                sa.cast(timestamp, sa.Text), control.last_replication_date.type
            ),
        )
        .returning(control.last_replication_date)
    )
    times: list[datetime] = list(connection.execute(statement).scalars())
    return max(times)
