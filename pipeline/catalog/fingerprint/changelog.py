"""The changelog of the fingerprint database: inserted, moved and deleted fingerprints.

Triggers write the changelog. Its ids are positions, in the order of the commits. The index and the
fingerprint store apply the entries after their own position.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql

from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint.index_sample import index_sample
from pipeline.catalog.fingerprint.tables import fingerprint, fpindex_changelog, track
from pipeline.runtime.databases import Databases
from pipeline.runtime.links.deadline import ends_within

CHANNEL: Final = "fingerprint_changed"
"""The channel on which the changelog's triggers notify of deleted and moved fingerprints."""

LISTEN_LIMIT: Final = 3.0
"""Maximum seconds to begin to listen to the channel."""


@dataclass(frozen=True, slots=True)
class LoggedFingerprint:
    """A changed fingerprint with its current content; without words it is deleted.

    Attributes:
        id: the id of the fingerprint.
        words: shape (n,), read-only; None if it is deleted.
        length: seconds of audio; 0 without words.
        track_id: id of its track; 0 without words.
        track_gid: the 16 bytes of the track's gid; empty without words.
    """

    id: int
    words: NDArray[np.uint32] | None
    length: int = 0
    track_id: int = 0
    track_gid: bytes = b""


ESTABLISHED_AFTER: Final = 30.0
"""Seconds after the first entry by which the index worker has applied it; it runs every 5 s."""


NO_LIMIT: Final = 2**62
"""A number of bytes that no fingerprints reach."""


class ForeignIndexError(Exception):
    """The index belongs to another database, or to a state of this one before a restore."""


_CONTENT: Final = (
    fingerprint.c.words,
    fingerprint.c.length,
    fingerprint.c.track_id,
    sa.cast(track.c.gid, sa.Text).label("track_gid"),
)


def check_position(connection: sa.Connection, index_position: int) -> None:
    """Check that the position of an index is not beyond the end of the changelog.

    Raises:
        ForeignIndexError: it is. The index would never get the entries up to its position.
    """
    newest = newest_position(connection)
    if newest < index_position:
        raise ForeignIndexError(
            f"the index is at position {index_position} and the database at {newest}: "
            "run `acoustid index rebuild`"
        )


def is_own_index(
    connection: sa.Connection,
    position: int,
    stamped: tuple[int, int] | None,
    max_document_id: int,
    contains: Callable[[Mapping[int, NDArray[np.uint32]]], bool],
) -> bool:
    """Return whether an index was made from this changelog.

    Args:
        connection: a connection to the fingerprint database.
        position: the changelog position of the index.
        stamped: position and `stamp` of an entry, stored when the index was written; None for an
            index of an earlier version. Such an index is accepted if the changelog has an entry at
            its position, the database has given out its document ids, and it contains a sample
            of the database's fingerprints.
        max_document_id: the highest id in an index without a stamp.
        contains: returns whether the index contains fingerprints, which have an id and query terms.
            It is called only for an index without a stamp.
    """
    if position == 0:
        return True
    if not stamp(connection, position):
        return False
    if stamped is None:
        if max_document_id > _highest_fingerprint_id(connection):
            return False
        sample = index_sample(connection, position)
        return contains(sample) if sample else not max_document_id
    return stamped[0] <= position and has_entry(connection, *stamped)


def is_established(connection: sa.Connection) -> bool:
    """Return whether the first entry is older than `ESTABLISHED_AFTER` seconds.

    In a new installation the index is empty for some seconds after the first import.
    """
    age = sa.func.extract("epoch", sa.func.clock_timestamp() - fpindex_changelog.c.created)
    first = sa.select(age).order_by(fpindex_changelog.c.id).limit(1)
    seconds = connection.execute(first).scalar()
    return seconds is not None and seconds > ESTABLISHED_AFTER


def _highest_fingerprint_id(connection: sa.Connection) -> int:
    """Return the highest id that a fingerprint has or had."""
    sequence = sa.func.pg_get_serial_sequence(fingerprint.name, "id")
    given_out = sa.func.pg_sequence_last_value(sa.cast(sequence, postgresql.REGCLASS))
    stored = sa.select(sa.func.max(fingerprint.c.id)).scalar_subquery()
    return connection.scalar(sa.select(sa.func.greatest(stored, given_out))) or 0


def stamp(connection: sa.Connection, position: int) -> int:
    """Return the time of the entry at a position, in µs since the epoch; 0 if there is none.

    Two databases with entries at the same position differ in this time.
    """
    micros = sa.func.extract("epoch", fpindex_changelog.c.created) * 1_000_000
    statement = sa.select(sa.cast(micros, sa.BigInteger)).where(fpindex_changelog.c.id == position)
    return connection.execute(statement).scalar() or 0


def has_entry(connection: sa.Connection, position: int, entry_stamp: int) -> bool:
    """Return whether this changelog's entry at the position of a copy has the copy's stamp.

    If not, the copy was made from another database.

    Args:
        connection: a connection to the fingerprint database.
        position: the changelog position of the copy.
        entry_stamp: the result of `stamp` for the position when the copy was written.
    """
    return stamp(connection, position) == entry_stamp


def count_fingerprints(connection: sa.Connection) -> int:
    """Return the number of fingerprints."""
    statement = sa.select(sa.func.count()).select_from(fingerprint)
    return connection.execute(statement).scalar_one()


def read(
    connection: sa.Connection, after: int, limit: int, *, most_bytes: int = NO_LIMIT
) -> tuple[list[LoggedFingerprint], int]:
    """Return the changes after a position, oldest first, and the position of the last one.

    Fingerprints have their current content. If a later entry deletes a fingerprint, its earlier
    entries are returned as deleted too.

    Args:
        connection: a connection to the fingerprint database.
        after: the position.
        limit: maximum number of changes.
        most_bytes: the change whose words reach this number of bytes is the last one.
    """
    changes = (
        sa.select(fpindex_changelog.c.id, fpindex_changelog.c.fingerprint_id, *_CONTENT)
        .outerjoin_from(
            fpindex_changelog, fingerprint, fpindex_changelog.c.fingerprint_id == fingerprint.c.id
        )
        .outerjoin(track, fingerprint.c.track_id == track.c.id)
        .where(fpindex_changelog.c.id > after)
    )
    rows = _rows(connection, changes, fpindex_changelog.c.id, limit, most_bytes)
    return [_logged(row.fingerprint_id, row) for row in rows], rows[-1].id if rows else after


def all_fingerprints(
    connection: sa.Connection, chunk: int = 5000, *, most_bytes: int = NO_LIMIT
) -> Iterator[Sequence[LoggedFingerprint]]:
    """Yield every fingerprint in chunks by ascending id, each chunk a short transaction.

    Read `position` first. Fingerprints that are inserted during the scan have later positions, so
    the changelog after that position makes a copy complete.

    Args:
        connection: a connection to the fingerprint database.
        chunk: maximum number of fingerprints of a chunk.
        most_bytes: the fingerprint whose words reach this number of bytes is the last of its chunk.
    """
    last = 0
    while True:
        following = (
            sa.select(fingerprint.c.id, *_CONTENT)
            .join_from(fingerprint, track, fingerprint.c.track_id == track.c.id)
            .where(fingerprint.c.id > last)
        )
        rows = _rows(connection, following, fingerprint.c.id, chunk, most_bytes)
        connection.commit()
        if not rows:
            return
        last = rows[-1].id
        yield [_logged(row.id, row) for row in rows]


def _rows(
    connection: sa.Connection,
    select: sa.Select[Any],
    key: sa.ColumnElement[int],
    limit: int,
    most_bytes: int,
) -> Sequence[sa.Row[Any]]:
    """Return the first rows by a key, at least one if there are any.

    PostgreSQL knows the length of words without reading them, so it adds them up for all rows and
    reads those of the returned ones only.
    """
    size = sa.func.coalesce(sa.func.octet_length(fingerprint.c.words), 0)
    before = sa.func.sum(size).over(order_by=key, rows=(None, 0)) - size
    first = select.add_columns(before.label("before")).order_by(key).limit(limit).subquery()
    statement = sa.select(first).where(first.c.before < most_bytes).order_by(first.c.id)
    return connection.execute(statement).all()


def _logged(fingerprint_id: int, row: sa.Row[Any]) -> LoggedFingerprint:
    if row.words is None:
        return LoggedFingerprint(fingerprint_id, None)
    words = np.frombuffer(row.words, dtype="<u4")
    track_gid = bytes.fromhex(row.track_gid.replace("-", ""))
    return LoggedFingerprint(fingerprint_id, words, row.length, row.track_id, track_gid)


class ChangelogWatch:
    """Listens to the changelog's notifications on a separate connection; for one thread.

    A check for a notification takes one system call. A connection pooler between this process and
    the database may drop notifications, so callers must also query the database at intervals.

    Args:
        databases: the fingerprint database sends the notifications.
    """

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._connection: sa.Connection | None = None

    def was_notified(self) -> bool:
        """Return whether a fingerprint was, or may have been, deleted or moved since the last call.

        Raises:
            sqlalchemy.exc.OperationalError: the database is unreachable.
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
        notified = bool(driver.notifies)
        driver.notifies.clear()
        return notified

    def close(self) -> None:
        """Close the connection. The next call of `was_notified` opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):  # a lost connection raises one
                connection.close()

    def _listen(self) -> sa.Connection:
        engine = self._databases.engine("fingerprint")
        with ends_within(LISTEN_LIMIT):
            connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"LISTEN {CHANNEL}")  # still limited: it is not detached yet
        # The pool may have a single connection, which must stay available for statements.
        connection.detach()
        return connection
