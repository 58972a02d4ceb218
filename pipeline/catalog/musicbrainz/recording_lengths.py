"""Reads the lengths of recordings from a MusicBrainz database."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.musicbrainz.outages import read_if_reachable
from pipeline.catalog.musicbrainz.tables import recording
from pipeline.runtime.databases import Databases

STATEMENT_LIMIT: Final = 2.0
"""Seconds that the statement may take."""


def recording_lengths(databases: Databases, mbids: Collection[UUID]) -> dict[UUID, int]:
    """Return the lengths of recordings in milliseconds by MBID, in one statement.

    Recordings without a length and unknown MBIDs are left out. During an outage of MusicBrainz,
    which is logged, the result is empty.

    Args:
        databases: only the read-only database of ``musicbrainz`` is read.
        mbids: the MBIDs of the recordings.
    """
    if not mbids:
        return {}
    statement = sa.select(recording.c.gid, recording.c.length).where(
        is_one_of(recording.c.gid, mbids), recording.c.length > 0
    )

    def read(connection: sa.Connection) -> dict[UUID, int]:
        return dict(connection.execute(statement).all())

    return read_if_reachable(databases, read, STATEMENT_LIMIT) or {}
