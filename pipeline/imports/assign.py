"""Decides on the track and the fingerprint of each submission, without I/O.

New fingerprints and tracks of a batch have no ids yet. Until they are stored, their id is the
negated id of their submission.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.fingerprint.public_part import PUBLIC_WORDS
from pipeline.imports.compare_pairs import Pair
from pipeline.messages import Match, SubmissionInBatch, TrackFit
from pipeline.thresholds import (
    IMPORT_JOIN_THRESHOLD,
    IMPORT_LONGER_WORDS,
    IMPORT_MATCH_THRESHOLD,
    IMPORT_MAX_LENGTH_DIFF,
    IMPORT_SAME_FINGERPRINT_THRESHOLD,
)


@dataclass(frozen=True, slots=True)
class RecentFingerprint:
    """A fingerprint that was stored after the submissions were matched."""

    id: int
    track_id: int
    length: int  # seconds
    size: int  # number of its words


@dataclass(frozen=True, slots=True)
class Placement:
    """The fingerprint and track of a submission; rows with a negative id are not stored yet."""

    submission: StoredSubmission
    fingerprint_id: int
    track_id: int


class Assigner:
    """Places submissions in order; each may join a track of an earlier one.

    Args:
        recent: fingerprints stored since the submissions were matched.
        scores: compare2 of submissions with these fingerprints, and with the earlier submissions of
            the batch under their negative ids. Pairs whose lengths differ too much are left out.
        fit: returns the fit of a submission to the stored fingerprints of a track.
    """

    def __init__(
        self,
        recent: Iterable[RecentFingerprint],
        scores: Mapping[Pair, float],
        fit: Callable[[StoredSubmission, int], TrackFit],
    ) -> None:
        self._recent: dict[int, RecentFingerprint] = {}
        self._by_track: dict[int, list[RecentFingerprint]] = {}
        self._scores = scores
        self._like: dict[int, list[int]] = {}
        self._fit = fit
        for fingerprint in recent:
            self._add(fingerprint)
        for (submission_id, fingerprint_id), score in scores.items():
            if score > IMPORT_MATCH_THRESHOLD:
                self._like.setdefault(submission_id, []).append(fingerprint_id)

    def place(self, submission: StoredSubmission, candidate: SubmissionInBatch) -> Placement:
        """Decide which track a submission joins, by the rule of the public service.

        It joins the track of its best match among the tracks that it fits. If the score of that
        match exceeds `IMPORT_SAME_FINGERPRINT_THRESHOLD`, the submission is counted on the matched
        fingerprint. Without such a track it gets a new one. A submission that is longer than all
        such matches of the track is stored (`IMPORT_LONGER_WORDS`).
        """
        matches = self._all_matches(submission, candidate)
        fits = self._all_fits(submission, candidate, matches)
        target = next((match for match in matches if can_join(fits[match.track_id])), None)
        placement = _placement(submission, target, matches)
        if placement.fingerprint_id < 0:
            self._add(
                RecentFingerprint(
                    placement.fingerprint_id,
                    placement.track_id,
                    submission.length,
                    submission.words.size,
                )
            )
        return placement

    def _add(self, fingerprint: RecentFingerprint) -> None:
        self._recent[fingerprint.id] = fingerprint
        self._by_track.setdefault(fingerprint.track_id, []).append(fingerprint)

    def _all_matches(
        self, submission: StoredSubmission, candidate: SubmissionInBatch
    ) -> list[Match]:
        like = (self._recent.get(key) for key in self._like.get(submission.id, ()))
        found = [
            Match(each.id, each.track_id, self._scores[submission.id, each.id], each.size)
            for each in like
            if each is not None  # an earlier submission may have become a stored fingerprint
        ]
        return sorted([*candidate.matches, *found], key=_rank)

    def _all_fits(
        self, submission: StoredSubmission, candidate: SubmissionInBatch, matches: Iterable[Match]
    ) -> dict[int, TrackFit]:
        fits = {fit.track_id: fit for fit in candidate.fits}
        for match in matches:
            if match.track_id not in fits:
                fits[match.track_id] = self._stored_fit(submission, match.track_id)
        return {track_id: self._with_recent(fit, submission) for track_id, fit in fits.items()}

    def _stored_fit(self, submission: StoredSubmission, track_id: int) -> TrackFit:
        return self._fit(submission, track_id) if track_id > 0 else TrackFit(track_id)

    def _with_recent(self, fit: TrackFit, submission: StoredSubmission) -> TrackFit:
        min_score, max_length_diff = fit.min_score, fit.max_length_diff
        for fingerprint in self._by_track.get(fit.track_id, ()):
            min_score = min(min_score, self._scores.get((submission.id, fingerprint.id), min_score))
            max_length_diff = max(max_length_diff, abs(fingerprint.length - submission.length))
        return TrackFit(fit.track_id, min_score, max_length_diff)


def can_join(fit: TrackFit) -> bool:
    """Return whether a submission matches all fingerprints of a track, so that it may join it."""
    return fit.min_score >= IMPORT_JOIN_THRESHOLD and fit.max_length_diff <= IMPORT_MAX_LENGTH_DIFF


def _rank(match: Match) -> tuple[float, bool, int]:
    """Return a sort key: best first, then by id; negative ids last, as their final ids."""
    return -match.score, match.fingerprint_id < 0, abs(match.fingerprint_id)


def _placement(
    submission: StoredSubmission, target: Match | None, matches: Sequence[Match]
) -> Placement:
    """Return the placement in the track of a match; in a new track without one.

    Args:
        submission: the submission.
        target: its best match whose track it may join.
        matches: all its matches, best first.
    """
    if target is None:
        return Placement(submission, -submission.id, -submission.id)
    same = (
        match.fingerprint_id
        for match in matches
        if match.track_id == target.track_id
        and match.score > IMPORT_SAME_FINGERPRINT_THRESHOLD
        and not _is_longer(submission.words.size, match.size)
    )
    return Placement(submission, next(same, -submission.id), target.track_id)


def _is_longer(size: int, stored: int) -> bool:
    """Return whether a fingerprint has more of a recording than a stored one, by their sizes."""
    return size > max(PUBLIC_WORDS, stored + IMPORT_LONGER_WORDS)
