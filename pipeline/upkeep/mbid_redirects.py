"""Follows MusicBrainz's redirects through all links, a chunk at a time.

Lookups report the MBIDs that they miss; this finds those that nobody looks up. It also completes
what was merged: submissions that came to a merged link since, and merges that were interrupted.
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

CHUNK: Final = 5_000  # links; MusicBrainz answers for as many in some 100 ms

logger = structlog.get_logger("acoustid.upkeep.mbid_redirects")


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a chunk got.

    Attributes:
        position: the id of the last link that is done; 0 after the last of all.
        merged: how many tracks' links were merged.
    """

    position: int
    merged: int


def follow_redirects(
    databases: Databases, position: int, deadline: float, chunk: int = CHUNK
) -> Followed | None:
    """Merge the MBIDs among the next links that MusicBrainz redirects.

    Args:
        databases: of which ``fingerprint`` and ``ingest`` change.
        position: the id of the last link that is done, 0 to begin.
        deadline: of the monotonic clock; after it, no further MBID is begun.
        chunk: most links to look at.

    Returns:
        How far it got; None when MusicBrainz can't be asked or has no recordings.

    Raises:
        sqlalchemy.exc.OperationalError: a database is away or a lock was held for too long.
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
            return Followed(link.id, merged)
    return Followed(links[-1].id if len(links) == chunk else 0, merged)


def _target(link: ScannedLink, recordings: Recordings) -> UUID | None:
    """Return the MBID that a link is to be merged into, if it is."""
    if link.merged_into is None:
        return recordings.redirects.get(link.mbid)
    return link.merged_mbid if link.submission_count else None


def _merge(databases: Databases, source: UUID, target: UUID) -> int:
    done = merge_mbids(databases, source, target)
    if done.refused:
        logger.warning(
            "MBID was merged elsewhere on some tracks",
            mbid=str(source),
            target=str(target),
            tracks=done.refused[:10],
        )
    return done.merged
