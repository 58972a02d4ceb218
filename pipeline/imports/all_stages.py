"""Runs the stages of an import one after the other: validate, dedupe, score, persist."""

from collections.abc import Sequence
from typing import Final

from pipeline.catalog.fingerprint import imported_submissions
from pipeline.catalog.fingerprint.imported_submissions import Imported
from pipeline.imports.dedupe import dedupe_submissions
from pipeline.imports.persist import StaleMatchesError, persist_submissions
from pipeline.imports.score import match_submissions
from pipeline.imports.validate import validate_submissions
from pipeline.index.interface import FingerprintIndex
from pipeline.messages import SubmissionBatch
from pipeline.runtime.databases import Databases

PERSIST_ATTEMPTS: Final = 3
"""Attempts to persist a batch. One fails if a matched fingerprint was moved or deleted."""


def import_submissions(
    ids: Sequence[int], index: FingerprintIndex, databases: Databases
) -> list[Imported]:
    """Import pending submissions in this process; return the rows of those that are imported.

    A worker runs the same stages as one task each. If both import the same submission, it is
    imported once. The index is not updated.

    Args:
        ids: the ids of submissions in the ingest database.
        index: the index that is searched for matches.
        databases: ``ingest``, ``app`` and ``fingerprint`` are changed.

    Raises:
        IndexBehindError: too many fingerprints are not in the index yet.
        ForeignIndexError: the index belongs to another database.
        SearchTimeout: the search of the index took too long.
        StaleMatchesError: see `persist_current`.
    """
    batch = dedupe_submissions(validate_submissions(ids, databases), databases)
    if batch.submissions:
        persist_current(match_submissions(batch, index, databases), index, databases)
    with databases.engine("fingerprint").connect() as connection:
        return imported_submissions.find(connection, ids)


def persist_current(batch: SubmissionBatch, index: FingerprintIndex, databases: Databases) -> int:
    """Persist a matched batch; match it again if its matches are out of date.

    Returns:
        The changelog's position afterwards.

    Raises:
        StaleMatchesError: the matches were out of date `PERSIST_ATTEMPTS` times.
    """
    for _ in range(PERSIST_ATTEMPTS):
        try:
            return persist_submissions(batch, databases)
        except StaleMatchesError:
            batch = match_submissions(batch, index, databases)
    raise StaleMatchesError
