"""The third stage for submissions: which stored fingerprints and tracks each one resembles."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pipeline.catalog import changelog, fingerprints, submissions
from pipeline.catalog.fingerprints import StoredFingerprint
from pipeline.catalog.submissions import StoredSubmission
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.query import extract_query
from pipeline.index.interface import FingerprintIndex
from pipeline.runtime.databases import Databases
from pipeline.stages.messages import Candidate, Match, SubmissionBatch, TrackFit
from pipeline.stages.rules import MAX_LENGTH_DIFF, TRACK_MERGE_THRESHOLD

INDEX_LIMIT: Final = 40
INDEX_MIN_SCORE: Final = 1
INDEX_SCORE_PCT: Final = 10  # of the best candidate's terms

# Entries that the index has not applied are compared one by one; more of them than this means
# that it is not keeping up, and comparing them all would only make it later.
MAX_TAIL: Final = 10_000

Pair = tuple[int, int]  # submission id, fingerprint id


class IndexBehindError(Exception):
    """The index lacks so many changelog entries that a submission can't be matched yet."""


class IndexAheadError(Exception):
    """The index knows changes that the database doesn't: it belongs to another database."""


def match_submissions(
    batch: SubmissionBatch, index: FingerprintIndex, databases: Databases
) -> SubmissionBatch:
    """Fill in each submission's matches and how it fits their tracks.

    Nothing is locked: `batch.seen` says up to which changelog position the answer holds, and
    `persist` compares what came later.

    Raises:
        IndexBehindError: more than `MAX_TAIL` entries wait for the index.
        IndexAheadError: the index belongs to another database, or to its future.
    """
    with databases.engine("ingest").connect() as connection:
        found = submissions.load(connection, [candidate.id for candidate in batch.submissions])
    wanted = {stored.id: stored for stored in found}
    # The position is read before the search: what the index gains in between is in both.
    position = index.position()
    searched = _search([c for c in batch.submissions if not c.twins], wanted, index)
    with databases.engine("fingerprint").connect() as connection:
        check_position(position, connection)
        tail, batch.seen = fingerprints.logged_after(connection, position, MAX_TAIL + 1)
        if len(tail) > MAX_TAIL:
            raise IndexBehindError(f"the index is more than {MAX_TAIL} fingerprints behind")
        nearby = _nearby(batch.submissions, wanted, searched, tail, connection)
        _fill_matches(batch.submissions, wanted, nearby)
        _fill_fits(batch.submissions, wanted, connection)
    return batch


def check_position(position: int, connection: sa.Connection) -> None:
    """Check that the changelog has got as far as the index.

    Raises:
        IndexAheadError: it has not; entries up to the index's position would pass unseen.
    """
    newest = changelog.position(connection)
    if newest < position:
        raise IndexAheadError(
            f"the index is at position {position} and the database at {newest}: "
            "run `acoustid index rebuild`"
        )


def compare_pairs(
    wanted: Mapping[int, StoredSubmission],
    stored: Mapping[int, StoredFingerprint],
    pairs: Sequence[Pair],
) -> NDArray[np.float32]:
    """Return compare2 of each (submission id, fingerprint id), float32 of shape (pairs,)."""
    rows = {fingerprint_id: row for row, fingerprint_id in enumerate(stored)}
    columns = {submission_id: column for column, submission_id in enumerate(wanted)}
    return compare2_batch(
        [fingerprint.words for fingerprint in stored.values()],
        [submission.words for submission in wanted.values()],
        ([rows[key] for _, key in pairs], [columns[key] for key, _ in pairs]),
    )


def near(one: int, other: int) -> bool:
    """Return whether two lengths (seconds) are close enough for one recording."""
    return abs(one - other) <= MAX_LENGTH_DIFF


def fit_to_track(
    submission: StoredSubmission, track_id: int, members: Iterable[StoredFingerprint]
) -> TrackFit:
    """Return how a submission stands to all fingerprints of a track."""
    stored = {member.id: member for member in members}
    pairs = [(submission.id, member_id) for member_id in stored]
    scores = compare_pairs({submission.id: submission}, stored, pairs)
    lengths = [abs(member.length - submission.length) for member in stored.values()]
    return TrackFit(track_id, float(scores.min(initial=1.0)), max(lengths, default=0))


def _search(
    candidates: Sequence[Candidate],
    wanted: Mapping[int, StoredSubmission],
    index: FingerprintIndex,
) -> dict[int, list[int]]:
    hits = index.search(
        [extract_query(wanted[candidate.id].words) for candidate in candidates],
        limit=INDEX_LIMIT,
        min_score=INDEX_MIN_SCORE,
        score_pct=INDEX_SCORE_PCT,
    )
    return {
        candidate.id: found.ids.tolist() for candidate, found in zip(candidates, hits, strict=True)
    }


def _nearby(
    candidates: Sequence[Candidate],
    wanted: Mapping[int, StoredSubmission],
    searched: Mapping[int, list[int]],
    tail: Sequence[StoredFingerprint],
    connection: sa.Connection,
) -> dict[int, dict[int, StoredFingerprint]]:
    """Return for each submission id the fingerprints of its length that it may resemble, by id."""
    lengths = [submission.length for submission in wanted.values()]
    ids = {c.id: [*searched.get(c.id, ()), *c.twins] for c in candidates}
    known = fingerprints.by_ids(
        connection,
        {fingerprint_id for each in ids.values() for fingerprint_id in each},
        min(lengths, default=0) - MAX_LENGTH_DIFF,
        max(lengths, default=0) + MAX_LENGTH_DIFF,
    )
    return {
        submission_id: {
            stored.id: stored
            for stored in (*(known[one] for one in each if one in known), *tail)
            if near(stored.length, wanted[submission_id].length)
        }
        for submission_id, each in ids.items()
    }


def _fill_matches(
    candidates: Sequence[Candidate],
    wanted: Mapping[int, StoredSubmission],
    nearby: Mapping[int, Mapping[int, StoredFingerprint]],
) -> None:
    stored = {key: value for each in nearby.values() for key, value in each.items()}
    pairs = [(submission_id, key) for submission_id, each in nearby.items() for key in each]
    matches: dict[int, list[Match]] = {candidate.id: [] for candidate in candidates}
    scores = compare_pairs(wanted, stored, pairs).tolist()
    for (submission_id, key), score in zip(pairs, scores, strict=True):
        if score > TRACK_MERGE_THRESHOLD:
            matches[submission_id].append(Match(key, stored[key].track_id, score))
    for candidate in candidates:
        candidate.matches = sorted(
            matches[candidate.id], key=lambda match: (-match.score, match.fingerprint_id)
        )


def _fill_fits(
    candidates: Sequence[Candidate],
    wanted: Mapping[int, StoredSubmission],
    connection: sa.Connection,
) -> None:
    track_ids = {match.track_id for candidate in candidates for match in candidate.matches}
    members: dict[int, list[StoredFingerprint]] = {track_id: [] for track_id in track_ids}
    for stored in fingerprints.of_tracks(connection, track_ids):
        members[stored.track_id].append(stored)
    for candidate in candidates:
        tracks = dict.fromkeys(match.track_id for match in candidate.matches)
        candidate.fits = [
            fit_to_track(wanted[candidate.id], track_id, members[track_id]) for track_id in tracks
        ]
