"""Settles MBIDs that lookups found missing in MusicBrainz: merged there, still there, or gone.

An MBID that MusicBrainz doesn't know may be newer than the copy that is asked. So it is disabled
only once a copy doesn't know it that was made a week after the MBID was first missed.
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

# Copies that are made from dumps may be months apart; what nobody asks for that long is forgotten.
_REMEMBERED_FOR: Final = timedelta(days=90)

logger = structlog.get_logger("acoustid.upkeep.missing_mbids")


class Settled(StrEnum):
    """What was done about a missing MBID."""

    MERGED = "merged"  # MusicBrainz redirects it
    KNOWN = "known"  # a recording has it after all
    WAITING = "waiting"  # unknown, but not for long enough
    DISABLED = "disabled"


def merge_missing_mbid(
    mbid: UUID, recordings: Recordings, databases: Databases, connection: redis.Redis
) -> Settled:
    """Merge an MBID as MusicBrainz did, or disable it when it has been unknown for too long.

    Args:
        mbid: which was missing.
        recordings: what MusicBrainz says of it.
        databases: of which ``fingerprint``, ``ingest`` and ``app`` may change.
        connection: to Redis, which remembers when unknown MBIDs were first seen.

    Raises:
        sqlalchemy.exc.OperationalError: a database is away or a lock was held for too long.
        redis.exceptions.RedisError: Redis is away.
    """
    outcome = _settle(mbid, recordings, databases, connection)
    if outcome is not Settled.WAITING:
        connection.delete(unknown_key(mbid))
        logger.info("missing MBID settled", mbid=str(mbid), outcome=outcome.value)
    return outcome


def unknown_key(mbid: UUID) -> str:
    """Return the key that holds when an unknown MBID was first seen, ISO 8601."""
    return f"unknown_mbid:{mbid}"


def _settle(
    mbid: UUID, recordings: Recordings, databases: Databases, connection: redis.Redis
) -> Settled:
    if mbid in recordings.redirects:
        merge_mbids(databases, mbid, recordings.redirects[mbid])
        return Settled.MERGED
    if mbid in recordings.known:
        return Settled.KNOWN
    if recordings.is_empty or not recordings.has_redirects:
        return Settled.WAITING
    first_seen = _first_seen(mbid, datetime.now(UTC), connection)
    # A copy that doesn't say when it was made may be older than the MBID.
    if recordings.replicated is None or recordings.replicated - first_seen < UNKNOWN_FOR:
        return Settled.WAITING
    disable_mbid(databases, mbid, UNKNOWN_NOTE)
    return Settled.DISABLED


def _first_seen(mbid: UUID, now: datetime, connection: redis.Redis) -> datetime:
    """Return when an MBID was first seen unknown: now, unless Redis remembers an earlier time."""
    key = unknown_key(mbid)
    with connection.pipeline() as pipe:
        pipe.set(key, now.isoformat(), nx=True)
        pipe.expire(key, _REMEMBERED_FOR)
        pipe.get(key)
        remembered: bytes = pipe.execute()[-1]
    return datetime.fromisoformat(remembered.decode())
