"""Stores the changes of a packet in a temporary table, for the tables that the copy has.

Two forms of packets exist. Those of dbmirror2 have ``pending_data`` with the old and the new row of
each change as JSON, and ``pending_keys`` with the primary keys. Those of the first dbmirror have
``Pending`` and ``PendingData`` (later ``dbmirror_pending`` and ``dbmirror_pendingdata``) with the
key and the new row in a form of their own.
"""

from collections.abc import Mapping
from functools import partial
from typing import IO, Final

import sqlalchemy as sa

from pipeline.catalog.musicbrainz import tables as mb
from pipeline.catalog.musicbrainz.replication.copied_lines import copy_lines, lines_of
from pipeline.catalog.musicbrainz.replication.errors import ReplicationError
from pipeline.catalog.musicbrainz.replication.packed_values import packed_to_json
from pipeline.catalog.musicbrainz.replication.packet import MemberReader

STAGED: Final = "pg_temp.replicated_change"
"""The temporary table. `op` is i, u or d; `olddata` and `newdata` are rows as JSON."""

FOLLOWED: Final[Mapping[str, sa.Table]] = {
    table.fullname: table
    for table in mb.METADATA.sorted_tables
    if table.name != mb.replication_control.name
}
"""The tables that packets change, by their full names. `position.advance` writes the other one."""

_DATA: Final = "mbdump/pending_data"
_KEYS: Final = "mbdump/pending_keys"
_FIRST_FORM: Final = (
    ("mbdump/Pending", "mbdump/PendingData"),
    ("mbdump/dbmirror_pending", "mbdump/dbmirror_pendingdata"),
)

_TABLES: Final = (
    """
    CREATE TEMPORARY TABLE replicated_change (
        seqid bigint NOT NULL, tablename text NOT NULL, op "char" NOT NULL, xid bigint NOT NULL,
        olddata json, newdata json
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE replicated_values (
        seqid bigint NOT NULL, is_key boolean NOT NULL, data json
    ) ON COMMIT DROP
    """,
)
_COPY: Final = f"COPY {STAGED} (seqid, tablename, op, xid, olddata, newdata) FROM STDIN"
_COPY_FIRST: Final = f"COPY {STAGED} (seqid, tablename, op, xid) FROM STDIN"
_COPY_VALUES: Final = "COPY pg_temp.replicated_values (seqid, is_key, data) FROM STDIN"
_JOIN: Final = f"""
    UPDATE {STAGED} AS staged SET olddata = joined.olddata, newdata = joined.newdata
      FROM (SELECT change.seqid, key.data AS olddata, value.data AS newdata
              FROM {STAGED} AS change
              LEFT JOIN pg_temp.replicated_values AS key ON key.seqid = change.seqid AND key.is_key
              LEFT JOIN pg_temp.replicated_values AS value
                ON value.seqid = change.seqid AND NOT value.is_key) AS joined
     WHERE joined.seqid = staged.seqid
"""  # noqa: S608 - the only inserted text is a constant
_INVALID: Final = f"""
    SELECT seqid FROM {STAGED}
     WHERE op NOT IN ('i', 'u', 'd') OR (op <> 'i' AND olddata IS NULL)
        OR (op <> 'd' AND newdata IS NULL)
     LIMIT 1
"""  # noqa: S608 - the only inserted text is a constant


class Staging:
    """The temporary table of one packet.

    Args:
        connection: a connection in the transaction of the packet. The end of the transaction drops
            the table.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        for statement in _TABLES:
            connection.exec_driver_sql(statement)

    def readers(self) -> Mapping[str, MemberReader]:
        """Return the functions that store the members of a packet, by their names."""
        found: dict[str, MemberReader] = {_DATA: partial(self._copy, _DATA), _KEYS: _check_keys}
        for changes, values in _FIRST_FORM:
            found[changes] = partial(self._copy_first, changes)
            found[values] = partial(self._copy_values, values)
        return found

    def finish(self, members: frozenset[str]) -> None:
        """Check that the packet was complete, after all members were read.

        Args:
            members: the names of the members.

        Raises:
            ReplicationError: a member is missing, or a change has no row.
        """
        if _DATA not in members:
            if not any(members.issuperset(pair) for pair in _FIRST_FORM):
                raise ReplicationError(f"it has no file {_DATA}, so it is no packet")
            self._connection.exec_driver_sql("ANALYZE pg_temp.replicated_values")
            self._connection.exec_driver_sql(_JOIN)
        invalid = self._connection.exec_driver_sql(_INVALID).first()
        if invalid is not None:
            raise ReplicationError(f"the change {invalid.seqid} is incomplete: download it again")

    def _copy(self, name: str, file: IO[bytes]) -> None:
        copy_lines(self._connection, _COPY, file, name, _followed)

    def _copy_first(self, name: str, file: IO[bytes]) -> None:
        copy_lines(self._connection, _COPY_FIRST, file, name, _followed_first)

    def _copy_values(self, name: str, file: IO[bytes]) -> None:
        copy_lines(self._connection, _COPY_VALUES, file, name, partial(_unpacked, name))


_NAMES: Final = frozenset(name.encode() for name in FOLLOWED)


def _followed(line: bytes) -> bytes | None:
    """Return the first six columns of a change; None if the copy does not have its table."""
    columns = line.split(b"\t", 6)
    is_other = len(columns) >= 2 and columns[1] not in _NAMES
    return None if is_other else b"\t".join(columns[:6])


def _followed_first(line: bytes) -> bytes | None:
    """Return a change of the first dbmirror, with the name of its table as dbmirror2 writes it."""
    columns = line.split(b"\t", 4)
    if len(columns) < 4:
        return line  # PostgreSQL names the line in its error
    columns[1] = columns[1].replace(b'"', b"")
    return b"\t".join(columns[:4]) if columns[1] in _NAMES else None


def _unpacked(name: str, line: bytes) -> bytes | None:
    """Return a row of values with JSON in place of the first dbmirror's form."""
    columns = line.split(b"\t", 2)
    if len(columns) < 3 or columns[2] == b"\\N":
        return line
    try:
        columns[2] = packed_to_json(columns[2].decode()).encode()
    except ValueError as error:
        shown = columns[0].decode("ascii", "replace")
        raise ReplicationError(f"{name}: the values of change {shown} are invalid") from error
    return b"\t".join(columns)


def _check_keys(file: IO[bytes]) -> None:
    """Compare the primary keys of a packet with those of the copy; packets may leave some out."""
    for line in lines_of(file, _KEYS):
        name, _, keys = line.decode("utf-8", "replace").partition("\t")
        table = FOLLOWED.get(name)
        if table is None:
            continue
        wanted = {column.name for column in table.primary_key}
        if set(keys.strip("{}").split(",")) != wanted:
            raise ReplicationError(
                f"the primary key of {name} is another one there ({keys}): the packet needs a "
                "newer version of this service"
            )
