"""Asks MusicBrainz what became of MBIDs, and says so when it can't be asked."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa
import structlog

from pipeline.catalog.fingerprint.mbid_links import STATEMENT_LIMIT
from pipeline.catalog.musicbrainz import recording_redirects
from pipeline.catalog.musicbrainz.recording_redirects import Recordings
from pipeline.runtime.databases import Databases, limit_statements

logger = structlog.get_logger("acoustid.stages.mbids")


def ask(databases: Databases, mbids: Collection[UUID]) -> Recordings | None:
    """Return what MusicBrainz says of MBIDs, or None when it can't be asked; the log says why."""
    try:
        with databases.engine("musicbrainz", read_only=True).connect() as connection:
            limit_statements(connection, STATEMENT_LIMIT)
            return recording_redirects.ask(connection, mbids)
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        logger.warning("MBIDs stay as they are: MusicBrainz can't be asked", error=error)
        return None
