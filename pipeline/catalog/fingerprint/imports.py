"""Writing submissions into the fingerprint database: tracks, fingerprints, and what became of each.

All of it happens in one transaction, under the lock of the changelog, with a row for each
submission. A second run finds the row and writes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa

from pipeline.catalog.bulk import insert_listed, insert_numbered, listed
from pipeline.catalog.fingerprint.tables import fingerprint, submission_import, track
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint.words import signed

# The lock that the changelog's trigger takes, so whoever holds it sees all that was committed.
_CHANGELOG_LOCK: Final = 7723016524936704001


@dataclass(frozen=True, slots=True)
class Imported:
    """What a submission became, and the links that it confirmed."""

    submission_id: int
    fingerprint_id: int
    track_id: int
    track_mbid_id: int | None = None
    track_puid_id: int | None = None
    track_meta_id: int | None = None
    track_foreignid_id: int | None = None


def lock_catalogue(connection: sa.Connection) -> None:
    """Keep everybody else from adding fingerprints until the transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_CHANGELOG_LOCK)))


def find(connection: sa.Connection, submission_ids: Iterable[int]) -> list[Imported]:
    """Return what became of those of the submissions that were imported."""
    columns = [submission_import.c[name] for name in Imported.__slots__]
    statement = sa.select(*columns).where(
        submission_import.c.submission_id
        == sa.any_(sa.cast(list(submission_ids), sa.ARRAY(sa.Integer)))
    )
    return [Imported(*row) for row in connection.execute(statement)]


def insert_imports(connection: sa.Connection, imported: Sequence[Imported]) -> None:
    """Write what became of submissions."""
    rows = [{name: getattr(each, name) for name in Imported.__slots__} for each in imported]
    if rows:
        connection.execute(insert_listed(submission_import, rows))


def insert_tracks(connection: sa.Connection, count: int) -> list[int]:
    """Add tracks with random public ids; return their ids."""
    return insert_numbered(connection, track, [{"gid": uuid4()} for _ in range(count)])


def insert_fingerprints(
    connection: sa.Connection,
    placed: Sequence[tuple[StoredSubmission, int]],
    formats: Mapping[str, int],
) -> list[int]:
    """Add the fingerprints of submissions to tracks; return their ids, in order.

    Args:
        connection: on the fingerprint database, in a transaction.
        placed: each submission with the id of the track it goes to.
        formats: ids of the audio formats by name.
    """
    hashes = signed(simhash_batch([submission.words for submission, _ in placed])).tolist()
    rows = [
        _fingerprint_row(submission, track_id, formats) | {"simhash": number}
        for (submission, track_id), number in zip(placed, hashes, strict=True)
    ]
    return insert_numbered(connection, fingerprint, rows)


def confirm_fingerprints(connection: sa.Connection, ids: Iterable[int]) -> None:
    """Count one more submission on each fingerprint, for each time its id is given."""
    counts = Counter(ids)
    if not counts:
        return
    confirmed = listed(
        "confirmed", {"id": (sa.Integer, counts), "times": (sa.Integer, counts.values())}
    )
    connection.execute(
        sa.update(fingerprint)
        .where(fingerprint.c.id == confirmed.c.id)
        .values(
            submission_count=fingerprint.c.submission_count + confirmed.c.times,
            updated=sa.func.now(),
        )
    )


def _fingerprint_row(
    submission: StoredSubmission, track_id: int, formats: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "words": submission.words.tobytes(),
        "gid": submission.gid,
        "length": submission.length,
        "bitrate": submission.bitrate,
        "format_id": formats.get(submission.format) if submission.format else None,
        "track_id": track_id,
        "submission_count": 1,
    }
