"""Searches for fingerprints and inserts them, for programs outside of this project.

    from pipeline import FingerprintService
    from pipeline.fingerprint.codec import decode
    from pipeline.settings.load import load_settings

    with FingerprintService.open(load_settings()) as service:
        for match in service.search(decode(text).words, duration=213):
            print(match.track.gid, match.score)

The service runs the code of the workers: `pipeline.lookups.score` and `pipeline.imports`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, TypedDict, Unpack
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.fingerprint.fingerprints import TrackIds
from pipeline.catalog.fingerprint.imported_submissions import Imported
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submission_status import statuses
from pipeline.fingerprint.words import as_words
from pipeline.following.open_index import open_index
from pipeline.imports.all_stages import import_submissions
from pipeline.index.interface import FingerprintIndex
from pipeline.lookups.score import rank_fingerprints, shortest_decimal
from pipeline.lookups.trusted_index import TrustedIndex
from pipeline.lookups.trusted_store import TrustedStore
from pipeline.messages import Lookup
from pipeline.runtime.databases import Databases
from pipeline.settings.sections import Settings
from pipeline.submission_fields import MAX_DURATION, Receipt
from pipeline.thresholds import LOOKUP_LENGTH_DIFF, LOOKUP_MAX_RESULTS


class SubmissionRejectedError(ValueError):
    """A submission can't be imported; the text is the reason."""


@dataclass(frozen=True, slots=True)
class FingerprintMatch:
    """A stored fingerprint that matches the one searched for.

    Attributes:
        fingerprint_id: id of the stored fingerprint.
        track: the ids of its track.
        length: seconds of its audio.
        score: compare2 with the one searched for, 0…1.
    """

    fingerprint_id: int
    track: TrackIds
    length: int
    score: float


class SubmissionMetadata(TypedDict, total=False):
    """The optional fields of a submission, as `Receipt` has them."""

    bitrate: int
    format: str
    meta: dict[str, Any]
    mbid: UUID
    puid: UUID
    foreignid: str


class FingerprintService:
    """Searches the catalogue and imports submissions. Thread-safe.

    Args:
        databases: the four databases.
        index: open for searching; a `TrustedIndex` refuses an index that is missing, incomplete or
            of another database.
        store: a fingerprint store that is read before the database; None to read the database only.
        max_postings: maximum number of postings that find candidates; None for exact searches.
    """

    def __init__(
        self,
        databases: Databases,
        index: FingerprintIndex,
        store: TrustedStore | None = None,
        *,
        max_postings: int | None = None,
    ) -> None:
        self._databases = databases
        self._index = index
        self._store = store
        self._max_postings = max_postings

    @classmethod
    @contextmanager
    def open(cls, settings: Settings) -> Iterator[Self]:
        """Open the databases and the index of an installation for a ``with`` block.

        Searches and inserts raise `pipeline.lookups.trusted_index.IndexUnusable` while the index is
        missing, incomplete, damaged or of another database.

        Raises:
            IndexCorrupt: files of a local index are damaged.
        """
        databases = Databases(settings, component="service")
        try:
            with open_index(settings.fingerprint_index) as index:
                yield cls(
                    databases,
                    TrustedIndex(lambda: index, databases),
                    max_postings=settings.fingerprint_index.max_postings or None,
                )
        finally:
            databases.dispose()

    def search(
        self,
        fingerprint: Sequence[int] | NDArray[np.integer],
        duration: int,
        limit: int = LOOKUP_MAX_RESULTS,
        *,
        max_duration_diff: int = LOOKUP_LENGTH_DIFF,
        timeout: float | None = None,
    ) -> list[FingerprintMatch]:
        """Return the stored fingerprints that match, best first.

        `pipeline.thresholds` has the threshold of a match and the maximum number of candidates that
        are compared, which also limits the number of matches.

        Args:
            fingerprint: its 32-bit words.
            duration: seconds of audio.
            limit: maximum number of matches.
            max_duration_diff: maximum difference in length of a match, in seconds.
            timeout: maximum seconds for the search of the index; None for no limit.

        Raises:
            SearchTimeout: the search exceeded the timeout.
            ValueError: the duration or the limit is out of range, or the words are not 32 bits.
            sqlalchemy.exc.OperationalError: the fingerprint database is unreachable.
        """
        _check_duration(duration)
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        words = as_words(fingerprint)
        if not words.size:
            return []
        lookup = Lookup(
            request=0,
            duration=duration,
            max_duration_diff=max_duration_diff,
            words=words.astype("<u4", copy=False).tobytes(),
        )
        [ranked], stored = rank_fingerprints(
            [lookup],
            self._index,
            self._databases,
            self._store,
            max_postings=self._max_postings,
            timeout=timeout,
        )
        return [
            FingerprintMatch(
                fingerprint_id,
                stored[fingerprint_id].track,
                stored[fingerprint_id].length,
                shortest_decimal(-negated),
            )
            for negated, fingerprint_id in ranked[:limit]
        ]

    def insert(
        self,
        fingerprint: Sequence[int] | NDArray[np.integer],
        duration: int,
        *,
        account_id: int,
        application_id: int,
        application_version: str | None = None,
        **metadata: Unpack[SubmissionMetadata],
    ) -> Imported:
        """Import a fingerprint as a submission, and return its rows.

        The import decides which track the fingerprint belongs to, and whether it is already stored.
        It also writes the changelog. The fingerprint can be found once the index worker has
        applied the changelog to the index. If this call fails after the submission was committed,
        the workers import it later.

        Args:
            fingerprint: its 32-bit words.
            duration: seconds of audio.
            account_id: the id of the account that submits.
            application_id: the id of the application that it uses.
            application_version: the version of that application.
            metadata: `mbid`, `puid` or `meta`, at least one, and further fields.

        Raises:
            ValueError: the duration is out of range, or the words are not 32 bits.
            SubmissionRejectedError: the submission has no `mbid`, `puid` or `meta`, or its
                fingerprint has too few distinct words.
            sqlalchemy.exc.OperationalError: a database is unreachable.
            IndexBehindError: too many fingerprints are not in the index yet.
            SearchTimeout: the search of the index took too long.
        """
        _check_duration(duration)
        receipt = Receipt(
            account_id=account_id,
            application_id=application_id,
            application_version=application_version,
            words=as_words(fingerprint),
            length=duration,
            **metadata,
        )
        with self._databases.engine("ingest").begin() as connection:
            [submission_id] = submissions.insert_receipts(connection, [receipt], uuid4())
        imported = import_submissions([submission_id], self._index, self._databases)
        if not imported:
            raise SubmissionRejectedError(self._reason(submission_id))
        return imported[0]

    def _reason(self, submission_id: int) -> str:
        status = statuses(self._databases, [submission_id])[submission_id]
        return status.reason or status.state


def _check_duration(duration: int) -> None:
    if not 1 <= duration <= MAX_DURATION:
        raise ValueError(f"duration must be 1 to {MAX_DURATION} s, not {duration}")
