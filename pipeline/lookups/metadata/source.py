"""Asks MusicBrainz, and does without it when it is away.

An attempt that fails is not repeated at once: the longer it took, the longer the pause, so that a
server that doesn't answer costs the lookups a fifth of their time at most.
"""

import time
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog

from pipeline.catalog.musicbrainz import metadata
from pipeline.catalog.musicbrainz.metadata import Catalogue, Wanted
from pipeline.runtime.databases import Databases, limit_statements

PAUSE_FACTOR: Final = 4
MIN_PAUSE: Final = 1.0  # seconds
LOG_INTERVAL: Final = 60.0  # seconds

# A statement takes milliseconds; five at this limit still leave the reply some time.
DEADLINE_SHARE: Final = 1 / 6
MAX_STATEMENT_TIME: Final = 2.0  # seconds
MIN_STATEMENT_TIME: Final = 0.05  # seconds

logger = structlog.get_logger("acoustid.stages.describe")


@dataclass(slots=True)
class _Outage:
    """Since MusicBrainz could last be asked; times are of the monotonic clock."""

    retry_at: float = 0.0
    logged_at: float = float("-inf")


_outages: Final[WeakKeyDictionary[Databases, _Outage]] = WeakKeyDictionary()


def read(wanted: Wanted, databases: Databases, deadline: float) -> Catalogue | None:
    """Return what MusicBrainz knows, or None when it can't be asked; the log says why.

    Args:
        wanted: the recordings, and how much of them.
        databases: of which only ``musicbrainz`` is read.
        deadline: seconds since the epoch; no statement may use up the time until then.
    """
    outage = _outages.setdefault(databases, _Outage())
    started = time.monotonic()
    if started < outage.retry_at:
        return None
    try:
        return _load(wanted, databases, deadline)
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        _note(outage, started, error)
        return None


def _load(wanted: Wanted, databases: Databases, deadline: float) -> Catalogue:
    share = (deadline - time.time()) * DEADLINE_SHARE
    with databases.engine("musicbrainz", read_only=True).connect() as connection:
        limit_statements(connection, min(max(share, MIN_STATEMENT_TIME), MAX_STATEMENT_TIME))
        return metadata.load(connection, wanted)


def _note(outage: _Outage, started: float, error: sa.exc.SQLAlchemyError) -> None:
    now = time.monotonic()
    outage.retry_at = now + max(MIN_PAUSE, PAUSE_FACTOR * (now - started))
    if now - outage.logged_at >= LOG_INTERVAL:
        outage.logged_at = now
        logger.warning("lookups go without metadata: MusicBrainz can't be asked", error=error)
