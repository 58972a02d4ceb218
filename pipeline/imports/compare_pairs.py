"""Compares submissions with stored fingerprints, a whole batch in one pass."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from pipeline.catalog.fingerprint.fingerprints import StoredFingerprint
from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.compare import compare2_batch
from pipeline.fingerprint.public_part import public_part
from pipeline.messages import TrackFit
from pipeline.thresholds import IMPORT_MAX_LENGTH_DIFF

Pair = tuple[int, int]  # submission id, fingerprint id
Joining = tuple[int, int]  # submission id, track id


def near(one: int, other: int) -> bool:
    """Return whether two fingerprints of these lengths (seconds) may be of one recording."""
    return abs(one - other) <= IMPORT_MAX_LENGTH_DIFF


def near_pairs(
    submissions: Collection[StoredSubmission], stored: Collection[StoredFingerprint]
) -> list[Pair]:
    """Return the pairs of submissions and fingerprints whose lengths are near each other."""
    ids = np.fromiter((each.id for each in submissions), np.int64, len(submissions))
    others = np.fromiter((each.id for each in stored), np.int64, len(stored))
    lengths = np.fromiter((each.length for each in submissions), np.int64, len(submissions))
    other_lengths = np.fromiter((each.length for each in stored), np.int64, len(stored))
    rows, columns = np.nonzero(np.abs(lengths[:, None] - other_lengths) <= IMPORT_MAX_LENGTH_DIFF)
    return list(zip(ids[rows].tolist(), others[columns].tolist(), strict=True))


def score_pairs(
    wanted: Mapping[int, StoredSubmission],
    stored: Mapping[int, StoredFingerprint],
    pairs: Sequence[Pair],
) -> dict[Pair, float]:
    """Return compare2 of the public part of each pair, 0…1.

    Args:
        wanted: the submissions by their ids.
        stored: the fingerprints by their ids.
        pairs: the pairs to compare.
    """
    rows = {fingerprint_id: row for row, fingerprint_id in enumerate(stored)}
    columns = {submission_id: column for column, submission_id in enumerate(wanted)}
    scores = compare2_batch(
        [public_part(fingerprint.words) for fingerprint in stored.values()],
        [public_part(submission.words) for submission in wanted.values()],
        ([rows[key] for _, key in pairs], [columns[key] for key, _ in pairs]),
    )
    return dict(zip(pairs, scores.tolist(), strict=True))


def fit_tracks(
    wanted: Mapping[int, StoredSubmission],
    joinings: Collection[Joining],
    members: Iterable[StoredFingerprint],
    known: Mapping[Pair, float],
) -> dict[Joining, TrackFit]:
    """Return the fits of submissions to all fingerprints of the tracks that they may join.

    Args:
        wanted: the submissions by their ids.
        joinings: submissions and tracks that they may join.
        members: the fingerprints of those tracks.
        known: scores of pairs that are already computed.
    """
    stored = {member.id: member for member in members}
    tracks: dict[int, list[StoredFingerprint]] = {}
    for member in stored.values():
        tracks.setdefault(member.track_id, []).append(member)
    pairs = [
        (submission_id, member.id)
        for submission_id, track_id in joinings
        for member in tracks.get(track_id, ())
    ]
    scores = score_pairs(wanted, stored, [pair for pair in pairs if pair not in known])
    fits = {joining: TrackFit(joining[1]) for joining in joinings}
    for submission_id, member_id in pairs:
        member, pair = stored[member_id], (submission_id, member_id)
        fit = fits[submission_id, member.track_id]
        distance = abs(member.length - wanted[submission_id].length)
        fit.min_score = min(fit.min_score, scores[pair] if pair in scores else known[pair])
        fit.max_length_diff = max(fit.max_length_diff, distance)
    return fits
