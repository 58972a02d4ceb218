"""The advisory locks that the service takes in PostgreSQL, with their keys.

The end of a transaction releases its locks. The lock of an index belongs to a connection, so
PostgreSQL releases it when the process ends. `cli.sample.load` has one more, 7723016524936704020.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

# The trigger of the changelog takes the same lock; see migrations/fingerprint.
_CATALOGUE_LOCK: Final = 7723016524936704001
_MIGRATION_LOCK: Final = 7723016524936704010
_BOT_ACCOUNT_LOCK: Final = 7723016524936704011
_OUTBOX_LOCK: Final = 7723016524936704012
_ANNOUNCER_LOCK: Final = 7723016524936704013
_NATS_RECEIPTS_LOCK: Final = 7723016524936704014
_MUSICBRAINZ_LOCK: Final = 7723016524936704017
_MUSICBRAINZ_TABLES_LOCK: Final = 7723016524936704018
_DATA_FILES_LOCK: Final = 7723016524936704016

INDEX_LOCK: Final = 1768842360
"""First half of the key of an index's lock. The second half is the CRC-32 of the index's name."""

# Operations, with the names of the public service. Each is locked for one MBID.
DISABLE_OR_MERGE_MBID: Final = "merge_missing_mbid"
MERGE_INTO_MBID: Final = "merge_mbids:target"


def lock_catalogue(connection: sa.Connection, longest_wait: float | None = None) -> None:
    """Prevent other transactions from adding or moving fingerprints until this one ends.

    Later statements of this transaction read all fingerprints that were committed before.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        longest_wait: seconds that this statement and each later one of the transaction may wait
            for a lock (``lock_timeout``); None for the limit of the connection.

    Raises:
        sqlalchemy.exc.OperationalError: another transaction has held a lock for too long.
    """
    if longest_wait is not None:
        milliseconds = max(1, round(longest_wait * 1000))  # PostgreSQL takes 0 for no limit
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {milliseconds}"))
    _lock_transaction(connection, _CATALOGUE_LOCK)


def lock_migrations(connection: sa.Connection) -> None:
    """Prevent other connections from migrating this database until this one is closed."""
    connection.execute(sa.select(sa.func.pg_advisory_lock(_MIGRATION_LOCK)))


def lock_migrations_until_commit(connection: sa.Connection) -> None:
    """Prevent other connections from migrating this database until this transaction ends."""
    _lock_transaction(connection, _MIGRATION_LOCK)


def try_lock_musicbrainz(connection: sa.Connection) -> bool:
    """Become the only process that changes the copy of MusicBrainz, until the connection closes.

    A load of a dump and the application of replication packets exclude each other.

    Args:
        connection: a connection to the MusicBrainz database, which is not returned to a pool.

    Returns:
        Whether the lock is taken.
    """
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_MUSICBRAINZ_LOCK))))


def keep_musicbrainz_tables(connection: sa.Connection) -> None:
    """Prevent loads from replacing the tables of MusicBrainz until the connection closes.

    A dump reads each table by its name. After a switch, it would read new tables that its snapshot
    shows as empty.

    Args:
        connection: a connection to the MusicBrainz database, which is not returned to a pool.
    """
    connection.execute(sa.select(sa.func.pg_advisory_lock_shared(_MUSICBRAINZ_TABLES_LOCK)))


def lock_musicbrainz_tables(connection: sa.Connection) -> None:
    """Wait for the connections that keep the tables of MusicBrainz, until this transaction ends.

    Args:
        connection: a connection to the MusicBrainz database, in a transaction.
    """
    _lock_transaction(connection, _MUSICBRAINZ_TABLES_LOCK)


def lock_bot_account(connection: sa.Connection) -> None:
    """Prevent other transactions from creating the service's own account until this one ends."""
    _lock_transaction(connection, _BOT_ACCOUNT_LOCK)


def lock_nats_receipts(connection: sa.Connection) -> None:
    """Prevent other transactions from storing messages from NATS until this one ends.

    Later statements of this transaction read all messages that were stored before.

    Args:
        connection: a connection to the ingest database, in a transaction.
    """
    _lock_transaction(connection, _NATS_RECEIPTS_LOCK)


def lock_outbox(connection: sa.Connection) -> None:
    """Prevent other transactions from adding rows to the outbox until this one ends.

    So the ids of its rows are in the order of the commits. Lock rows of submissions before, not
    after: another transaction may hold them and wait for this lock.

    Args:
        connection: a connection to the ingest database, in a transaction that ends next.
    """
    _lock_transaction(connection, _OUTBOX_LOCK)


def try_lock_announcer(connection: sa.Connection, longest_idle: float) -> bool:
    """Become the publisher of announcements until this transaction ends, unless another one is.

    Args:
        connection: a connection to the ingest database, in a transaction.
        longest_idle: seconds without a statement after which the server ends the transaction, which
            releases the lock: the process may be stopped, or its host unreachable.

    Returns:
        Whether the lock is taken.
    """
    milliseconds = max(1, round(longest_idle * 1000))  # PostgreSQL takes 0 for no limit
    connection.execute(sa.text(f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}"))
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_ANNOUNCER_LOCK))))


def try_lock_musicbrainz_until_commit(connection: sa.Connection) -> bool:
    """Become the only process that changes the copy of MusicBrainz, until this transaction ends.

    The load of a dump takes the same lock.

    Args:
        connection: a connection to the database ``musicbrainz``, in a transaction.

    Returns:
        Whether the lock is taken; False if another process has it.
    """
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_MUSICBRAINZ_LOCK))))


def try_lock_data_files(connection: sa.Connection) -> bool:
    """Become the only import of data files until this connection is closed, unless one runs.

    Args:
        connection: a connection to the fingerprint database, without a transaction (autocommit).

    Returns:
        Whether the lock is taken.
    """
    return bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_DATA_FILES_LOCK))))


def unlock_data_files(connection: sa.Connection) -> None:
    """Let another import of data files begin. A lost connection has lost its lock."""
    with suppress(sa.exc.DBAPIError):
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_DATA_FILES_LOCK)))


def lock_mbid(connection: sa.Connection, operation: str, mbid: UUID) -> None:
    """Prevent other transactions from doing the same operation on an MBID until this one ends.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        operation: `DISABLE_OR_MERGE_MBID` or `MERGE_INTO_MBID`.
        mbid: the MBID of the recording.
    """
    _lock_transaction(connection, _text_key(operation), _text_key(str(mbid)))


def try_lock_index(engine: sa.Engine, index: str) -> Callable[[], None] | None:
    """Take the lock for writing an index on a server, unless another process has it.

    An index server has no locks. This one is in the fingerprint database, on a separate
    connection.

    Args:
        engine: the engine of the fingerprint database.
        index: the index's name.

    Returns:
        A function that releases the lock; None if another process has it.
    """
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    taken = sa.select(
        sa.func.pg_try_advisory_lock(INDEX_LOCK, sa.cast(_index_key(index), sa.Integer))
    )
    try:
        if connection.scalar(taken):
            # The pool may have a single connection, which must stay available for statements.
            connection.detach()
            return partial(_release, connection)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _lock_transaction(connection: sa.Connection, *key: int) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*key)))


def _release(connection: sa.Connection) -> None:
    """Release the lock before the connection closes: the server takes a moment to end one."""
    try:
        with suppress(sa.exc.DBAPIError):  # a lost connection has lost its locks
            connection.scalar(sa.select(sa.func.pg_advisory_unlock_all()))
    finally:
        connection.close()


def _text_key(text: str) -> int:
    """Return the public service's key for a text: 31 bits of its CRC-32."""
    return zlib.crc32(text.encode()) & 0x7FFFFFFF


def _index_key(index: str) -> int:
    """Return the CRC-32 of a name as a signed 32-bit number."""
    return int.from_bytes(zlib.crc32(index.encode()).to_bytes(4), signed=True)
