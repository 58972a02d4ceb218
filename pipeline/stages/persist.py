"""The fourth stage: submissions become part of the catalogue, each exactly once.

Two submissions of one recording must not found two tracks, whoever works on them. They are
matched without a lock (`match`); here, under the changelog's lock, each is compared with the few
fingerprints that came since, so that the decision stands on everything that was committed.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from pipeline.catalog import changelog, fingerprints, imports, provenance, sources
from pipeline.catalog import submissions as receipts
from pipeline.catalog.fingerprints import StoredFingerprint
from pipeline.catalog.submissions import StoredSubmission
from pipeline.runtime.databases import Databases
from pipeline.stages.assign import Assigner, Newcomer, Placement
from pipeline.stages.match import Pair, compare_pairs, fit_to_track, near
from pipeline.stages.messages import Candidate, SubmissionBatch, TrackFit
from pipeline.stages.store import store_placements


class StaleMatchesError(Exception):
    """Matched fingerprints have moved or gone since: the batch must be matched again."""


def persist_submissions(batch: SubmissionBatch, databases: Databases) -> int:
    """Import a batch of matched submissions; return the changelog's position afterwards.

    Raises:
        StaleMatchesError: nothing was imported; match the batch again.
    """
    with databases.engine("ingest").connect() as connection:
        loaded = receipts.load(connection, [candidate.id for candidate in batch.submissions])
    wanted = {stored.id: stored for stored in loaded if stored.state == "pending"}
    scores = _scores_within(wanted)
    with databases.engine("app").begin() as connection:
        formats = sources.format_ids(
            connection, (stored.format for stored in wanted.values() if stored.format)
        )
    with databases.engine("fingerprint").begin() as connection:
        imports.lock_catalogue(connection)
        done = imports.find(connection, wanted)
        for imported in done:
            del wanted[imported.submission_id]
        placements = _place(batch, wanted, scores, connection)
        done += store_placements(placements, formats, connection)
        position = changelog.position(connection)
    provenance.record(databases, done)
    return position


def _scores_within(wanted: Mapping[int, StoredSubmission]) -> dict[Pair, float]:
    """Return compare2 of each submission with the earlier ones, under their provisional ids."""
    provisional = {
        -stored.id: StoredFingerprint(-stored.id, 0, stored.length, stored.words)
        for stored in wanted.values()
    }
    return _score_pairs(wanted, provisional)


def _score_pairs(
    wanted: Mapping[int, StoredSubmission], stored: Mapping[int, StoredFingerprint]
) -> dict[Pair, float]:
    pairs = [
        (submission.id, other.id)
        for submission in wanted.values()
        for other in stored.values()
        if near(submission.length, other.length) and other.id > -submission.id
    ]
    return dict(zip(pairs, compare_pairs(wanted, stored, pairs).tolist(), strict=True))


def _place(
    batch: SubmissionBatch,
    wanted: Mapping[int, StoredSubmission],
    scores: dict[Pair, float],
    connection: sa.Connection,
) -> list[Placement]:
    candidates = [candidate for candidate in batch.submissions if candidate.id in wanted]
    _check_matches(candidates, connection)
    newcomers, _ = fingerprints.logged_after(connection, batch.seen)
    scores |= _score_pairs(wanted, {stored.id: stored for stored in newcomers})

    def fit(submission: StoredSubmission, track_id: int) -> TrackFit:
        return fit_to_track(submission, track_id, fingerprints.of_tracks(connection, [track_id]))

    assigner = Assigner(
        (Newcomer(stored.id, stored.track_id, stored.length) for stored in newcomers), scores, fit
    )
    return [assigner.place(wanted[candidate.id], candidate) for candidate in candidates]


def _check_matches(candidates: Sequence[Candidate], connection: sa.Connection) -> None:
    matched = {
        match.fingerprint_id: match.track_id
        for candidate in candidates
        for match in candidate.matches
    }
    if fingerprints.current_tracks(connection, matched) != matched:
        raise StaleMatchesError
