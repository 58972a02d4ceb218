"""Applies one packet to the copy, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog

from pipeline.catalog.advisory_locks import try_lock_musicbrainz_until_commit
from pipeline.catalog.musicbrainz.replication.errors import CopyBusyError, ReplicationError
from pipeline.catalog.musicbrainz.replication.packet import PacketHeader, read_packet
from pipeline.catalog.musicbrainz.replication.position import (
    Position,
    advance,
    followed_position,
)
from pipeline.catalog.musicbrainz.replication.staging import FOLLOWED, STAGED, Staging
from pipeline.catalog.musicbrainz.replication.table_changes import Counts, TableChanges

_BUSY: Final = "another process loads a dump of MusicBrainz, or applies a packet: wait for its end"
_STAGED_TABLES: Final = sa.text(f"SELECT tablename, count(*) FROM {STAGED} GROUP BY tablename")  # noqa: S608 - the only inserted text is a constant

logger = structlog.get_logger("acoustid.catalog.musicbrainz.replication.apply")


@dataclass(frozen=True, slots=True)
class AppliedPacket:
    """The result of one packet.

    Attributes:
        sequence: its number.
        replicated: the time up to which the copy now has the changes of MusicBrainz.
        counts: the changes by the name of the table.
        left_out: numbers of changes by the name of the table, for tables without rows.
    """

    sequence: int
    replicated: datetime
    counts: Mapping[str, Counts]
    left_out: Mapping[str, int]

    @property
    def changed(self) -> int:
        """Number of changed rows of all tables."""
        return sum(each.changed for each in self.counts.values())


def apply_packet(engine: sa.Engine, path: Path, sequence: int) -> AppliedPacket | None:
    """Apply a packet and store its number, in one transaction.

    Args:
        engine: the engine of the ``musicbrainz`` database.
        path: the file of the packet.
        sequence: its number: the one after that of the copy.

    Returns:
        The result; None if another process has applied the packet meanwhile.

    Raises:
        CopyBusyError: another process loads a dump, or applies a packet.
        ReplicationError: the packet is cut, damaged, another one, or of another schema, or does not
            fit to the copy. Nothing was changed.
        OSError: the file cannot be read.
        sqlalchemy.exc.DBAPIError, psycopg2.Error: the database fails. Nothing was changed.
    """
    with engine.begin() as connection:
        if not try_lock_musicbrainz_until_commit(connection):
            raise CopyBusyError(_BUSY)
        position, last = followed_position(connection)
        if last >= sequence:
            return None
        staging = Staging(connection)
        header = read_packet(path, staging.readers())
        _check(path, header, position, sequence)
        try:
            staging.finish(header.members)
            counts, left_out = _apply(connection)
            replicated = advance(connection, sequence, header.timestamp)
        except ReplicationError as error:
            raise ReplicationError(f"{path}: {error}") from error
        except sa.exc.DataError as error:
            raise ReplicationError(f"{path} has an invalid TIMESTAMP") from error
    _log(sequence, counts, left_out)
    return AppliedPacket(sequence, replicated, counts, left_out)


def _check(path: Path, header: PacketHeader, position: Position, sequence: int) -> None:
    if header.sequence != sequence:
        raise ReplicationError(
            f"{path} is packet {header.sequence}, but packet {sequence} is the next one: replace "
            "the file"
        )
    if header.schema != position.schema:
        raise ReplicationError(
            f"{path} is of schema sequence {header.schema} of MusicBrainz, and the copy of "
            f"{position.schema}: install a version of this service for that schema, and load a "
            "dump of it with `acoustid musicbrainz load`"
        )


def _apply(connection: sa.Connection) -> tuple[dict[str, Counts], dict[str, int]]:
    """Apply the staged changes table by table: the tables have no foreign keys."""
    counts: dict[str, Counts] = {}
    left_out: dict[str, int] = {}
    connection.exec_driver_sql(f"ANALYZE {STAGED}")
    for name, number in connection.execute(_STAGED_TABLES).all():
        table = FOLLOWED[name]
        # The dump did not have an empty table. A part of a table would be worse than none: without
        # all redirects, for example, merged MBIDs are taken for deleted ones.
        if _is_empty(connection, table):
            left_out[table.name] = number
        else:
            counts[table.name] = TableChanges(connection, table).apply()
    return counts, left_out


def _is_empty(connection: sa.Connection, table: sa.Table) -> bool:
    any_row = sa.select(sa.literal(1)).select_from(table).limit(1)
    return connection.execute(any_row).first() is None


def _log(sequence: int, counts: Mapping[str, Counts], left_out: Mapping[str, int]) -> None:
    missing = {name: each.missing for name, each in counts.items() if each.missing}
    if missing:
        logger.warning(
            "a packet of MusicBrainz changes rows that the copy does not have",
            packet=sequence,
            rows=missing,
        )
    if left_out:
        logger.info(
            "changes of tables that the loaded dump did not have are left out",
            packet=sequence,
            rows=dict(left_out),
        )
