"""Merges or disables MBIDs that lookups did not find in MusicBrainz.

An MBID may be newer than the local copy of MusicBrainz. So it is disabled only if it is missing in
a copy that was made at least a week after a lookup first found it missing.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import redis
import structlog

from pipeline.catalog.fingerprint.mbid_disable import disable_mbid
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids
from pipeline.catalog.musicbrainz.recording_redirects import Recordings
from pipeline.runtime.databases import Databases

UNKNOWN_FOR: Final = timedelta(days=7)
UNKNOWN_NOTE: Final = "MBID has been unknown for too long"

# Dumps may be loaded months apart.
_FIRST_SEEN_KEPT: Final = timedelta(days=90)

logger = structlog.get_logger("acoustid.upkeep.missing_mbids")


class MissingMbidOutcome(StrEnum):
    """The outcome for a missing MBID."""

    MERGED = "merged"  # into the MBID that MusicBrainz redirects it to
    KNOWN = "known"  # MusicBrainz has it
    WAITING = "waiting"  # missing for less than a week, or the copy has no date
    DISABLED = "disabled"  # missing for more than a week


def merge_missing_mbid(
    mbid: UUID, recordings: Recordings, databases: Databases, connection: redis.Redis
) -> MissingMbidOutcome:
    """Merge an MBID as MusicBrainz did, or disable it if it has been missing for too long.

    Args:
        mbid: the missing MBID.
        recordings: the state of this MBID in MusicBrainz.
        databases: ``fingerprint``, ``ingest`` and ``app`` may be changed.
        connection: a Redis client; Redis has the times at which MBIDs were first missing.

    Raises:
        sqlalchemy.exc.OperationalError: a database is unreachable or a lock was not free in time.
        redis.exceptions.RedisError: Redis is unreachable.
    """
    outcome = _merge_or_disable(mbid, recordings, databases, connection)
    if outcome is not MissingMbidOutcome.WAITING:
        connection.delete(unknown_key(mbid))
        logger.info("missing MBID handled", mbid=str(mbid), outcome=outcome.value)
    return outcome


def unknown_key(mbid: UUID) -> str:
    """Return the Redis key of the time at which an MBID was first missing, ISO 8601."""
    return f"unknown_mbid:{mbid}"


def _merge_or_disable(
    mbid: UUID, recordings: Recordings, databases: Databases, connection: redis.Redis
) -> MissingMbidOutcome:
    if mbid in recordings.redirects:
        merge_mbids(databases, mbid, recordings.redirects[mbid])
        return MissingMbidOutcome.MERGED
    if mbid in recordings.known:
        return MissingMbidOutcome.KNOWN
    if recordings.is_empty or not recordings.has_redirects:
        return MissingMbidOutcome.WAITING
    first_seen = _first_seen(mbid, datetime.now(UTC), connection)
    # A copy without a date may be older than the MBID.
    if recordings.replicated is None or recordings.replicated - first_seen < UNKNOWN_FOR:
        return MissingMbidOutcome.WAITING
    disable_mbid(databases, mbid, UNKNOWN_NOTE)
    return MissingMbidOutcome.DISABLED


def _first_seen(mbid: UUID, now: datetime, connection: redis.Redis) -> datetime:
    """Return the time at which an MBID was first missing: now, unless Redis has an earlier time."""
    key = unknown_key(mbid)
    with connection.pipeline() as pipe:
        pipe.set(key, now.isoformat(), nx=True)
        pipe.expire(key, _FIRST_SEEN_KEPT)
        pipe.get(key)
        stored: bytes = pipe.execute()[-1]
    return datetime.fromisoformat(stored.decode())
