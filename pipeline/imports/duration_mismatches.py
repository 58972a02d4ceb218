"""Finds imported submissions with the MBID of a recording that is too long or too short."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
import structlog

from pipeline.catalog.bulk_statements import is_one_of
from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch
from pipeline.catalog.fingerprint.tables import submission_import, track_mbid
from pipeline.catalog.fingerprint.track_links import length_ranges
from pipeline.catalog.musicbrainz.recording_lengths import recording_lengths
from pipeline.runtime.databases import DATABASE_UNUSABLE, Databases

MOST_LOGGED = 10
"""Maximum number of links in one line of the log."""

logger = structlog.get_logger("acoustid.imports.duration_mismatches")


@dataclass(frozen=True, slots=True)
class LinkedSubmission:
    """An imported submission, and the link that it made or confirmed."""

    submission_id: int
    track_id: int
    mbid: UUID


def duration_mismatches(
    submission_ids: Collection[int], databases: Databases
) -> list[LinkedSubmission]:
    """Return the imported submissions whose MBID does not fit the length of the track; log them.

    Their links stay as they are. The result is empty, and the reason is logged, if a database
    can't be read: it is for statistics, so it must not stop an import.

    Args:
        submission_ids: the ids of submissions; those that are not imported are left out.
        databases: ``fingerprint`` and ``musicbrainz`` are read.
    """
    try:
        linked, ranges = _linked(submission_ids, databases)
    except DATABASE_UNUSABLE as error:
        logger.warning("the lengths of imported recordings are not compared", error=error)
        return []
    lengths = recording_lengths(databases, {each.mbid for each in linked})
    found = [
        each for each in linked if is_mismatch(lengths.get(each.mbid), ranges.get(each.track_id))
    ]
    if found:
        logger.info(
            "the length of a submitted recording does not fit its track",
            submissions=len(found),
            links=[(each.track_id, str(each.mbid)) for each in found[:MOST_LOGGED]],
        )
    return found


def _linked(
    submission_ids: Collection[int], databases: Databases
) -> tuple[list[LinkedSubmission], dict[int, LengthRange]]:
    statement = (
        sa.select(submission_import.c.submission_id, track_mbid.c.track_id, track_mbid.c.mbid)
        .join_from(
            submission_import, track_mbid, track_mbid.c.id == submission_import.c.track_mbid_id
        )
        .where(is_one_of(submission_import.c.submission_id, submission_ids))
        .order_by(submission_import.c.submission_id)
    )
    with databases.engine("fingerprint").connect() as connection:
        linked = [LinkedSubmission(*row) for row in connection.execute(statement)]
        return linked, length_ranges(connection, {each.track_id for each in linked})
