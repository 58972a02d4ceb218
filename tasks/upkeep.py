"""The beats' tasks that keep links to MBIDs as MusicBrainz has them."""

import time
from collections import Counter
from collections.abc import Collection
from itertools import islice
from typing import Final, cast
from uuid import UUID

import redis
import structlog
from redis.exceptions import RedisError

from pipeline.catalog.musicbrainz.recording_redirects import read_recordings
from pipeline.upkeep.mbid_redirects import follow_redirects
from pipeline.upkeep.missing_mbids import merge_missing_mbid
from tasks.celery import app
from tasks.worker import services

logger = structlog.get_logger("acoustid.tasks.mbids")

MISSING_KEY: Final = "missing_mbids"
"""A set of the MBIDs that lookups missed in MusicBrainz, emptied by `merge_missing_mbids`."""

POSITION_KEY: Final = "mbid_redirects:position"
"""The id of the last link that `follow_mbid_redirects` looked at."""

MOST_MISSING: Final = 10_000  # MBIDs; lookups that find the set full will miss theirs again

_AT_ONCE: Final = 100  # MBIDs a run takes out
_BUDGET: Final = 5.0  # seconds; the index waits for the same worker
_POSITION_LIFETIME: Final = 30 * 86_400  # seconds


def note_missing(connection: redis.Redis, mbids: Collection[str]) -> None:
    """Note MBIDs that MusicBrainz has no recording for; without Redis a later lookup does."""
    if not mbids:
        return
    try:
        if connection.scard(MISSING_KEY) < MOST_MISSING:
            connection.sadd(MISSING_KEY, *islice(mbids, MOST_MISSING))
    except RedisError:
        return


@app.task(name="maintenance.merge_missing_mbids")
def merge_missing_mbids() -> dict[str, int]:
    """Settle MBIDs that lookups missed; return how many ended how.

    What is not settled, for whatever reason, goes back.
    """
    taken = cast("list[bytes]", services().redis.spop(MISSING_KEY, _AT_ONCE))
    waiting = {UUID(mbid.decode()) for mbid in taken}
    try:
        return _settle(waiting)
    finally:
        note_missing(services().redis, [str(mbid) for mbid in waiting])


@app.task(name="maintenance.follow_mbid_redirects")
def follow_mbid_redirects() -> int:
    """Merge what MusicBrainz redirects, going on where the last run stopped.

    Returns how many tracks' links were merged.
    """
    deadline = time.monotonic() + _BUDGET
    position = int(services().redis.get(POSITION_KEY) or 0)
    merged = 0
    while followed := follow_redirects(services().databases, position, deadline):
        merged += followed.merged
        position = followed.position
        services().redis.set(POSITION_KEY, position, ex=_POSITION_LIFETIME)
        if not position or time.monotonic() > deadline:
            break
    if merged:
        logger.info("redirected MBIDs merged", links=merged, position=position)
    return merged


def _settle(waiting: set[UUID]) -> dict[str, int]:
    """Settle MBIDs for as long as there is time, and take each out of the set."""
    outcomes: Counter[str] = Counter()
    recordings = read_recordings(services().databases, waiting) if waiting else None
    if recordings is None:
        return outcomes
    if recordings.is_empty:
        waiting.clear()
    deadline = time.monotonic() + _BUDGET
    for mbid in list(waiting):
        if time.monotonic() > deadline:
            break
        outcome = merge_missing_mbid(mbid, recordings, services().databases, services().redis)
        outcomes[outcome.value] += 1
        waiting.remove(mbid)
    return outcomes
