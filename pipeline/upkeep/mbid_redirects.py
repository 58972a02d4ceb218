"""Merges the MBIDs that MusicBrainz redirects, in all links, a chunk at a time.

`missing_mbids` handles MBIDs that lookups did not find; this scan also finds the others. It also
completes merges: it moves submissions that were counted on a merged link, and finishes interrupted
merges.
"""

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from pipeline.catalog.fingerprint.mbid_links import STATEMENT_LIMIT, ScannedLink, scan_links
from pipeline.catalog.fingerprint.mbid_merge import merge_mbids, move_sources
from pipeline.catalog.musicbrainz.recording_redirects import Recordings, read_recordings
from pipeline.runtime.databases import Databases, limit_statements

CHUNK: Final = 5_000  # links; reading them takes about 100 ms

logger = structlog.get_logger("acoustid.upkeep.mbid_redirects")


@dataclass(frozen=True, slots=True)
class ScannedChunk:
    """The result of one chunk.

    Attributes:
        position: id of the last processed link; 0 if that was the last link of all.
        merged: number of tracks whose links were merged.
    """

    position: int
    merged: int


def follow_redirects(
    databases: Databases, position: int, deadline: float, chunk: int = CHUNK
) -> ScannedChunk | None:
    """Merge the MBIDs of the next links that MusicBrainz redirects to other MBIDs.

    Args:
        databases: ``fingerprint`` and ``ingest`` are changed.
        position: id of the last processed link, 0 to start.
        deadline: a `time.monotonic` value; no merge starts after it.
        chunk: maximum number of links.

    Returns:
        The result; None if MusicBrainz can't be read or has no recordings.

    Raises:
        sqlalchemy.exc.OperationalError: a database is unreachable or a lock was not free in time.
    """
    with databases.engine("fingerprint").connect() as connection:
        limit_statements(connection, STATEMENT_LIMIT)
        links = scan_links(connection, position, chunk)
    recordings = read_recordings(
        databases, {link.mbid for link in links if link.merged_into is None}
    )
    if recordings is None or recordings.is_empty:
        return None
    move_sources(databases, {link.id: link.merged_into for link in links if link.merged_into})
    merged = 0
    for link in links:
        target = _target(link, recordings)
        if target is None:
            continue
        merged += _merge(databases, link.mbid, target)
        if time.monotonic() > deadline:
            return ScannedChunk(link.id, merged)
    return ScannedChunk(links[-1].id if len(links) == chunk else 0, merged)


def _target(link: ScannedLink, recordings: Recordings) -> UUID | None:
    """Return the MBID to merge a link's MBID into; None if it stays."""
    if link.merged_into is None:
        return recordings.redirects.get(link.mbid)
    return link.merged_mbid if link.submission_count else None


def _merge(databases: Databases, source: UUID, target: UUID) -> int:
    done = merge_mbids(databases, source, target)
    if done.refused:
        logger.warning(
            "MBID is merged into another one on some tracks",
            mbid=str(source),
            target=str(target),
            tracks=done.refused[:10],
        )
    return done.merged
