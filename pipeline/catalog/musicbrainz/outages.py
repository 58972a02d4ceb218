"""Reads a MusicBrainz database that may be unreachable.

After a failed attempt, MusicBrainz is not read for four times the attempt's duration. Then one
thread tries again. So an unreachable server takes at most a fifth of the time of one thread.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog

from pipeline.runtime.databases import (
    DATABASE_UNUSABLE,
    Databases,
    limit_statements,
)

PAUSE_FACTOR: Final = 4
MIN_PAUSE: Final = 1.0  # seconds
TRIAL_TIME: Final = 5.0  # seconds
LOG_INTERVAL: Final = 60.0  # seconds

logger = structlog.get_logger("acoustid.catalog.musicbrainz.outages")

T = TypeVar("T")


@dataclass(slots=True)
class _Outage:
    """The pause after a failure of MusicBrainz; times on the monotonic clock.

    Attributes:
        retry_at: when MusicBrainz may be read again; 0 if the last attempt succeeded.
        logged_at: when the last failure was logged.
    """

    retry_at: float = 0.0
    logged_at: float = float("-inf")


_outages: Final[WeakKeyDictionary[Databases, _Outage]] = WeakKeyDictionary()


def read_if_reachable(
    databases: Databases, read: Callable[[sa.Connection], T], limit: float
) -> T | None:
    """Return what a function reads; None during an outage, which is logged.

    Args:
        databases: only the read-only database of ``musicbrainz`` is read.
        read: reads through a connection.
        limit: maximum seconds of each statement.
    """
    outage = _outages.setdefault(databases, _Outage())
    started = time.monotonic()
    if started < outage.retry_at:
        return None
    if outage.retry_at:
        outage.retry_at = started + TRIAL_TIME  # meanwhile no other thread tries
    try:
        with databases.engine("musicbrainz", read_only=True).connect() as connection:
            limit_statements(connection, limit)
            found = read(connection)
    except DATABASE_UNUSABLE as error:
        _note_failure(outage, started, error)
        return None
    outage.retry_at = 0.0
    return found


def _note_failure(outage: _Outage, started: float, error: sa.exc.SQLAlchemyError) -> None:
    now = time.monotonic()
    outage.retry_at = now + max(MIN_PAUSE, PAUSE_FACTOR * (now - started))
    if now - outage.logged_at >= LOG_INTERVAL:
        outage.logged_at = now
        logger.warning("MusicBrainz is unreachable: replies have no metadata of it", error=error)
