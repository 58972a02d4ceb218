"""The third stage for submissions: which stored fingerprints and tracks each one resembles."""

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from pipeline.catalog.fingerprint import changelog, fingerprints
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.query import extract_query_batch
from pipeline.imports.pairs import Joining, Pair, fit_tracks, near, near_pairs, score_pairs
from pipeline.index.interface import FingerprintIndex
from pipeline.messages import Match, SubmissionBatch, SubmissionInBatch, TrackFit
from pipeline.rules import INDEX_MAX_POSTINGS, MAX_LENGTH_DIFF, TRACK_MERGE_THRESHOLD
from pipeline.runtime.databases import Databases

INDEX_LIMIT: Final = 40
INDEX_MIN_SCORE: Final = 1
INDEX_SCORE_PCT: Final = 10  # of the best candidate's terms

# Entries that the index has not applied are compared one by one; more of them than this means
# that it is not keeping up, and comparing them all would only make it later.
MAX_TAIL: Final = 10_000


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
    searched = _search(batch.submissions, wanted, index)
    with databases.engine("fingerprint").connect() as connection:
        check_position(position, connection)
        tail, batch.seen = fingerprints.logged_after(connection, position, MAX_TAIL + 1)
        if len(tail) > MAX_TAIL:
            raise IndexBehindError(f"the index is more than {MAX_TAIL} fingerprints behind")
        stored, pairs = _nearby(searched, wanted, connection)
        stored |= {each.id: each for each in tail}
        pairs = list(dict.fromkeys((*pairs, *near_pairs(found, tail))))
        scores = score_pairs(wanted, stored, pairs)
        matches = _matches(scores, stored)
        joinings = {(key, match.track_id) for key, each in matches.items() for match in each}
        members = fingerprints.of_tracks(connection, {track_id for _, track_id in joinings})
    _fill(batch.submissions, matches, fit_tracks(wanted, joinings, members, scores))
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


def _search(
    candidates: Sequence[SubmissionInBatch],
    wanted: Mapping[int, StoredSubmission],
    index: FingerprintIndex,
) -> dict[int, list[int]]:
    """Return the fingerprints worth comparing, by submission id: its twins, or what is found."""
    asking = [candidate for candidate in candidates if not candidate.twins]
    hits = index.search(
        list(extract_query_batch([wanted[each.id].words for each in asking])),
        limit=INDEX_LIMIT,
        min_score=INDEX_MIN_SCORE,
        score_pct=INDEX_SCORE_PCT,
        max_postings=INDEX_MAX_POSTINGS,
    )
    searched = {candidate.id: candidate.twins for candidate in candidates}
    searched |= {
        candidate.id: found.ids.tolist() for candidate, found in zip(asking, hits, strict=True)
    }
    return searched


def _nearby(
    searched: Mapping[int, list[int]],
    wanted: Mapping[int, StoredSubmission],
    connection: sa.Connection,
) -> tuple[dict[int, StoredFingerprint], list[Pair]]:
    """Return the found fingerprints of lengths near those of who found them, and who did."""
    spans: dict[int, tuple[int, int]] = {}
    for submission_id, ids in searched.items():
        length = wanted[submission_id].length
        for key in ids:
            shortest, longest = spans.get(key, (length, length))
            spans[key] = min(shortest, length), max(longest, length)
    stored = fingerprints.within(
        connection,
        {key: (low - MAX_LENGTH_DIFF, up + MAX_LENGTH_DIFF) for key, (low, up) in spans.items()},
    )
    pairs = [
        (submission_id, key)
        for submission_id, ids in searched.items()
        for key in ids
        if key in stored and near(stored[key].length, wanted[submission_id].length)
    ]
    return stored, pairs


def _matches(
    scores: Mapping[Pair, float], stored: Mapping[int, StoredFingerprint]
) -> dict[int, list[Match]]:
    """Return the matches of each submission that has any, best first."""
    matches: dict[int, list[Match]] = {}
    for (submission_id, key), score in scores.items():
        if score > TRACK_MERGE_THRESHOLD:
            match = Match(key, stored[key].track_id, score)
            matches.setdefault(submission_id, []).append(match)
    for found in matches.values():
        found.sort(key=lambda match: (-match.score, match.fingerprint_id))
    return matches


def _fill(
    candidates: Sequence[SubmissionInBatch],
    matches: Mapping[int, list[Match]],
    fits: Mapping[Joining, TrackFit],
) -> None:
    for candidate in candidates:
        candidate.matches = matches.get(candidate.id, [])
        tracks = dict.fromkeys(match.track_id for match in candidate.matches)
        candidate.fits = [fits[candidate.id, track_id] for track_id in tracks]
