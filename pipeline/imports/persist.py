"""The fourth stage of an import: writes submissions to the catalogue, each exactly once.

Two submissions of one recording must not create two tracks, even in different workers. `score`
matches submissions without a lock. This stage takes the lock of the catalogue and compares each
submission with the few fingerprints that were stored since, so the decision is based on all
committed fingerprints.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.advisory_locks import lock_catalogue
from pipeline.catalog.app import sources
from pipeline.catalog.changelog_position import newest_position
from pipeline.catalog.fingerprint import fingerprints, imported_submissions
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint
from pipeline.catalog.ingest import import_results
from pipeline.catalog.ingest import submissions as receipts
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.imports.assign import Assigner, Placement, RecentFingerprint
from pipeline.imports.compare_pairs import Joining, Pair, fit_tracks, near_pairs, score_pairs
from pipeline.imports.write_placements import store_placements
from pipeline.messages import SubmissionBatch, SubmissionInBatch, TrackFit
from pipeline.runtime.databases import Databases
from pipeline.runtime.sentry import bind_submission
from pipeline.thresholds import IMPORT_MATCH_THRESHOLD

LOCK_TIMEOUT: Final = 5.0
"""Seconds to wait for another import, a merge or an edit. The time limit of a task is longer, so a
blocked import ends with an error and is repeated, and its worker is not killed."""


class StaleMatchesError(Exception):
    """Matched fingerprints were moved or deleted: the batch must be matched again."""


def persist_submissions(batch: SubmissionBatch, databases: Databases) -> int:
    """Import a batch of matched submissions; return the changelog's position afterwards.

    Raises:
        StaleMatchesError: nothing was imported; match the batch again.
        sqlalchemy.exc.OperationalError: a database is unreachable, or another transaction holds the
            lock of the catalogue for longer than `LOCK_TIMEOUT`.
    """
    with databases.engine("ingest").connect() as connection:
        loaded = receipts.load(connection, [candidate.id for candidate in batch.submissions])
    bind_submission(loaded, "persist")
    wanted = {stored.id: stored for stored in loaded if stored.state == "pending"}
    scores = _scores_within(wanted)
    with databases.engine("app").begin() as connection:
        formats = sources.format_ids(
            connection, (stored.format for stored in wanted.values() if stored.format)
        )
    with databases.engine("fingerprint").begin() as connection:
        lock_catalogue(connection, LOCK_TIMEOUT)
        done = imported_submissions.find(connection, wanted)
        for imported in done:
            del wanted[imported.submission_id]
        # Another task may have ended some as failed meanwhile.
        with databases.engine("ingest").connect() as ingest:
            pending = receipts.pending_gids(ingest, wanted)
        wanted = {key: stored for key, stored in wanted.items() if key in pending}
        placements = _place(batch, wanted, scores, connection)
        done += store_placements(placements, formats, connection)
        position = newest_position(connection)
    import_results.record(databases, done)
    return position


def _scores_within(wanted: Mapping[int, StoredSubmission]) -> dict[Pair, float]:
    """Return compare2 of each submission with the earlier ones, under their negative ids."""
    unsaved = {
        -stored.id: StoredFingerprint(-stored.id, 0, stored.length, stored.words, stored.words.size)
        for stored in wanted.values()
    }
    pairs = near_pairs(wanted.values(), unsaved.values())
    return score_pairs(wanted, unsaved, [(key, other) for key, other in pairs if other > -key])


def _place(
    batch: SubmissionBatch,
    wanted: Mapping[int, StoredSubmission],
    scores: dict[Pair, float],
    connection: sa.Connection,
) -> list[Placement]:
    candidates = [candidate for candidate in batch.submissions if candidate.id in wanted]
    _check_matches(candidates, connection)
    recent, _ = fingerprints.logged_after(connection, batch.seen)
    stored = {fingerprint.id: fingerprint for fingerprint in recent}
    fresh = score_pairs(wanted, stored, near_pairs(wanted.values(), recent))
    fits = _fits_of_recent(wanted, stored, fresh, connection)

    def fit(submission: StoredSubmission, track_id: int) -> TrackFit:
        joining = (submission.id, track_id)
        if joining not in fits:  # a similar submission of the same batch has joined the track
            members = fingerprints.of_tracks(connection, [track_id])
            fits.update(fit_tracks(wanted, [joining], members, fresh))
        return fits[joining]

    assigner = Assigner(
        (RecentFingerprint(each.id, each.track_id, each.length, each.size) for each in recent),
        scores | fresh,
        fit,
    )
    return [assigner.place(wanted[candidate.id], candidate) for candidate in candidates]


def _fits_of_recent(
    wanted: Mapping[int, StoredSubmission],
    recent: Mapping[int, StoredFingerprint],
    scores: Mapping[Pair, float],
    connection: sa.Connection,
) -> dict[Joining, TrackFit]:
    """Return the fits of submissions to the tracks of recent fingerprints that they match."""
    joinings = {
        (submission_id, recent[key].track_id)
        for (submission_id, key), score in scores.items()
        if score > IMPORT_MATCH_THRESHOLD
    }
    members = fingerprints.of_tracks(connection, {track_id for _, track_id in joinings})
    return fit_tracks(wanted, joinings, members, scores)


def _check_matches(candidates: Sequence[SubmissionInBatch], connection: sa.Connection) -> None:
    matched = {
        match.fingerprint_id: match.track_id
        for candidate in candidates
        for match in candidate.matches
    }
    if fingerprints.current_tracks(connection, matched) != matched:
        raise StaleMatchesError
