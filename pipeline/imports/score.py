"""The third stage of an import: finds the stored fingerprints and tracks that match."""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
import structlog

from pipeline.catalog.fingerprint import changelog, fingerprints
from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint
from pipeline.catalog.ingest import submissions
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.public_part import public_part
from pipeline.fingerprint.query import extract_query_batch
from pipeline.imports.compare_pairs import Joining, Pair, fit_tracks, near, near_pairs, score_pairs
from pipeline.index.interface import FingerprintIndex
from pipeline.messages import Match, SubmissionBatch, SubmissionInBatch, TrackFit
from pipeline.runtime.databases import Databases
from pipeline.runtime.sentry import bind_submission
from pipeline.thresholds import (
    IMPORT_INDEX_LIMIT,
    IMPORT_INDEX_MIN_SCORE,
    IMPORT_INDEX_SCORE_PCT,
    IMPORT_MATCH_THRESHOLD,
    IMPORT_MAX_LENGTH_DIFF,
    IMPORT_MAX_UNINDEXED,
    IMPORT_SEARCH_TIMEOUT,
)

logger = structlog.get_logger("acoustid.imports.score")


class IndexBehindError(Exception):
    """Too many changelog entries are not in the index yet; retry later."""


def match_submissions(
    batch: SubmissionBatch, index: FingerprintIndex, databases: Databases
) -> SubmissionBatch:
    """Set the matches of each submission and its fits to their tracks.

    No lock is taken. `batch.seen` is the changelog position up to which all fingerprints were
    compared; `persist` compares the later ones.

    Args:
        batch: a batch of submissions.
        index: the index. A `TrustedIndex` raises `IndexUnusable` if it is missing, incomplete,
            damaged or of another database: its results would create duplicate tracks.
        databases: the catalogue.

    Raises:
        IndexBehindError: more than `IMPORT_MAX_UNINDEXED` entries are not in the index.
        ForeignIndexError: the index belongs to another database, or to a later state of this one.
        SearchTimeout: the search took longer than `IMPORT_SEARCH_TIMEOUT`.
    """
    with databases.engine("ingest").connect() as connection:
        loaded = submissions.load(connection, [candidate.id for candidate in batch.submissions])
    found = [stored for stored in loaded if stored.state == "pending"]
    bind_submission(found, "score")
    wanted = {stored.id: stored for stored in found}
    # A message that is delivered twice may have submissions with a final state.
    batch.submissions = [candidate for candidate in batch.submissions if candidate.id in wanted]
    # The position is read before the search, so that entries applied meanwhile are not missed.
    position = index.position()
    searched = _search(batch.submissions, wanted, index)
    with databases.engine("fingerprint").connect() as connection:
        changelog.check_position(connection, position)
        tail, batch.seen = fingerprints.logged_after(connection, position, IMPORT_MAX_UNINDEXED + 1)
        if len(tail) > IMPORT_MAX_UNINDEXED:
            raise IndexBehindError(
                f"the index is more than {IMPORT_MAX_UNINDEXED} fingerprints behind"
            )
        stored, pairs = _nearby(searched, wanted, connection)
        stored |= {each.id: each for each in tail}
        pairs = list(dict.fromkeys((*pairs, *near_pairs(found, tail))))
        scores = score_pairs(wanted, stored, pairs)
        matches = _matches(scores, stored)
        joinings = {(key, match.track_id) for key, each in matches.items() for match in each}
        members = fingerprints.of_tracks(connection, {track_id for _, track_id in joinings})
    _fill(batch.submissions, matches, fit_tracks(wanted, joinings, members, scores))
    return batch


def _search(
    candidates: Sequence[SubmissionInBatch],
    wanted: Mapping[int, StoredSubmission],
    index: FingerprintIndex,
) -> dict[int, list[int]]:
    """Return candidates by submission id: its equal fingerprints, else the hits of the index.

    The search is exact: a candidate that is left out creates a duplicate track, and nothing later
    in an import detects it. Only an index server with a limit of its own may leave out candidates.
    """
    without_equal = [candidate for candidate in candidates if not candidate.twins]
    hits = index.search(
        list(extract_query_batch([public_part(wanted[each.id].words) for each in without_equal])),
        limit=IMPORT_INDEX_LIMIT,
        min_score=IMPORT_INDEX_MIN_SCORE,
        score_pct=IMPORT_INDEX_SCORE_PCT,
        timeout=IMPORT_SEARCH_TIMEOUT,
    )
    if partial := sum(found.partial for found in hits):
        logger.warning(
            "the index server left out candidates: imports may create duplicate tracks; "
            "start the server without --max-postings",
            submissions=partial,
        )
    searched = {candidate.id: candidate.twins for candidate in candidates}
    searched |= {
        candidate.id: found.ids.tolist()
        for candidate, found in zip(without_equal, hits, strict=True)
    }
    return searched


def _nearby(
    searched: Mapping[int, list[int]],
    wanted: Mapping[int, StoredSubmission],
    connection: sa.Connection,
) -> tuple[dict[int, StoredFingerprint], list[Pair]]:
    """Return the candidates whose length is near that of a submission, and those pairs."""
    spans: dict[int, tuple[int, int]] = {}
    for submission_id, ids in searched.items():
        length = wanted[submission_id].length
        for key in ids:
            shortest, longest = spans.get(key, (length, length))
            spans[key] = min(shortest, length), max(longest, length)
    stored = fingerprints.within(
        connection,
        {
            key: (low - IMPORT_MAX_LENGTH_DIFF, up + IMPORT_MAX_LENGTH_DIFF)
            for key, (low, up) in spans.items()
        },
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
        if score > IMPORT_MATCH_THRESHOLD:
            match = Match(key, stored[key].track_id, score, stored[key].size)
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
