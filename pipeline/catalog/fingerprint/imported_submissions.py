"""Writes fingerprints of submissions, and a row for each imported submission.

An import writes both in one transaction, under `lock_catalogue`. A second run of the import finds
the row of a submission and writes nothing for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import sqlalchemy as sa

from pipeline.catalog.bulk_statements import array_rows, insert_numbered, insert_rows, is_one_of
from pipeline.catalog.fingerprint.tables import fingerprint, submission_import
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.simhash import simhash_batch
from pipeline.fingerprint.words import signed


@dataclass(frozen=True, slots=True)
class Imported:
    """The rows of the fingerprint database that an import wrote for a submission."""

    submission_id: int
    fingerprint_id: int
    track_id: int
    track_mbid_id: int | None = None
    track_puid_id: int | None = None
    track_meta_id: int | None = None
    track_foreignid_id: int | None = None


def find(connection: sa.Connection, submission_ids: Iterable[int]) -> list[Imported]:
    """Return the rows of the submissions that were imported; the others are left out."""
    columns = [submission_import.c[field.name] for field in fields(Imported)]
    statement = sa.select(*columns).where(
        is_one_of(submission_import.c.submission_id, submission_ids)
    )
    return [Imported(*row) for row in connection.execute(statement)]


def insert_imports(connection: sa.Connection, imported: Sequence[Imported]) -> None:
    """Insert the rows of imported submissions."""
    if imported:
        rows = [asdict(each) for each in imported]
        connection.execute(insert_rows(submission_import, rows))


def insert_fingerprints(
    connection: sa.Connection,
    placed: Sequence[tuple[StoredSubmission, int]],
    formats: Mapping[str, int],
) -> list[int]:
    """Insert the fingerprints of submissions; return their ids, in order.

    A trigger adds each to the changelog.

    Args:
        connection: a connection to the fingerprint database, in a transaction.
        placed: submissions, each with the id of the track that its fingerprint belongs to.
        formats: ids of the audio formats by name.
    """
    hashes = signed(simhash_batch([submission.words for submission, _ in placed])).tolist()
    rows = [
        _fingerprint_row(submission, track_id, formats) | {"simhash": number}
        for (submission, track_id), number in zip(placed, hashes, strict=True)
    ]
    return insert_numbered(connection, fingerprint, rows)


def confirm_fingerprints(connection: sa.Connection, ids: Iterable[int]) -> None:
    """Add 1 to a fingerprint's submission count for each occurrence of its id."""
    counts = Counter(ids)
    if not counts:
        return
    confirmed = array_rows(
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
