"""The periodic tasks that keep links to MBIDs in line with MusicBrainz."""

import time
from collections import Counter
from typing import Final
from uuid import UUID

import structlog

from pipeline.catalog.musicbrainz.recording_redirects import read_recordings
from pipeline.upkeep.mbid_redirects import follow_redirects
from pipeline.upkeep.missing_mbids import merge_missing_mbid
from tasks.celery import app
from tasks.redis_state.missing_mbid_set import add_missing_mbids, take_missing_mbids
from tasks.stage_task import StageTask
from tasks.worker_resources import worker_resources

logger = structlog.get_logger("acoustid.tasks.periodic.mbid_upkeep")

POSITION_KEY: Final = "mbid_redirects:position"
"""The Redis key of the id of the last link that `follow_mbid_redirects` checked."""

_MBIDS_PER_RUN: Final = 100
_TIME_LIMIT: Final = 5.0  # seconds; the same worker updates the index
_POSITION_LIFETIME: Final = 30 * 86_400  # seconds


@app.task(name="maintenance.merge_missing_mbids", base=StageTask)
def merge_missing_mbids() -> dict[str, int]:
    """Handle MBIDs that lookups did not find; return the number of MBIDs by outcome.

    MBIDs that were not handled, for any reason, go back into the set.
    """
    resources = worker_resources()
    waiting = take_missing_mbids(resources.redis, _MBIDS_PER_RUN)
    try:
        return _merge(waiting)
    finally:
        add_missing_mbids(resources.redis, [str(mbid) for mbid in waiting])


@app.task(name="maintenance.follow_mbid_redirects", base=StageTask)
def follow_mbid_redirects() -> int:
    """Merge links to MBIDs that MusicBrainz redirects; return the number of merged links.

    Each run continues where the last one stopped.
    """
    resources = worker_resources()
    deadline = time.monotonic() + _TIME_LIMIT
    position = int(resources.redis.get(POSITION_KEY) or 0)
    merged = 0
    while followed := follow_redirects(resources.databases, position, deadline):
        merged += followed.merged
        position = followed.position
        resources.redis.set(POSITION_KEY, position, ex=_POSITION_LIFETIME)
        if not position or time.monotonic() > deadline:
            break
    if merged:
        logger.info("redirected MBIDs merged", links=merged, position=position)
    return merged


def _merge(waiting: set[UUID]) -> dict[str, int]:
    """Handle MBIDs until the time limit, and remove each handled one from the set."""
    outcomes: Counter[str] = Counter()
    resources = worker_resources()
    recordings = read_recordings(resources.databases, waiting) if waiting else None
    if recordings is None:
        return outcomes
    if recordings.is_empty:
        waiting.clear()
    deadline = time.monotonic() + _TIME_LIMIT
    for mbid in list(waiting):
        if time.monotonic() > deadline:
            break
        outcome = merge_missing_mbid(mbid, recordings, resources.databases, resources.redis)
        outcomes[outcome.value] += 1
        waiting.remove(mbid)
    return outcomes
