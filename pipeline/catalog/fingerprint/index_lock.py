"""The lock of whoever writes an index that is on a server, which knows none itself."""

from __future__ import annotations

import zlib
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

# The first half of the advisory lock's key; the second is the index's name.
_LOCK: Final = 1768842360


def try_lock_index(engine: sa.Engine, index: str) -> Callable[[], None] | None:
    """Take the lock of an index in the database whose changelog it follows.

    It belongs to a connection of its own, so that it is free as soon as its holder is dead.

    Args:
        engine: of the fingerprint database.
        index: the index's name.

    Returns:
        What gives the lock back, or None while another has it.
    """
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    # Not counted in the pool, where it might be the only connection.
    connection.detach()
    taken = sa.select(sa.func.pg_try_advisory_lock(_LOCK, sa.cast(_key(index), sa.Integer)))
    try:
        if connection.scalar(taken):
            return partial(_release, connection)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _release(connection: sa.Connection) -> None:
    """Give the lock back before the connection: the server ends a closed one a moment later."""
    try:
        with suppress(sa.exc.DBAPIError):  # a lost connection has lost its locks
            connection.scalar(sa.select(sa.func.pg_advisory_unlock_all()))
    finally:
        connection.close()


def _key(index: str) -> int:
    """Return a signed 32-bit number for a name."""
    return int.from_bytes(zlib.crc32(index.encode()).to_bytes(4), signed=True)
