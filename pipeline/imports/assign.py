"""The import decision: which track and fingerprint each submission becomes (pure, in order).

What is new in the same batch has no id yet. Its fingerprint, and the track that it founds, carry
the negated submission id until they are stored.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.imports.pairs import Pair
from pipeline.messages import Match, SubmissionInBatch, TrackFit
from pipeline.rules import (
    FINGERPRINT_MERGE_THRESHOLD,
    MAX_LENGTH_DIFF,
    TRACK_GROUP_THRESHOLD,
    TRACK_MERGE_THRESHOLD,
)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A fingerprint that the catalogue gained after the submissions were matched."""

    id: int
    track_id: int
    length: int  # seconds


@dataclass(frozen=True, slots=True)
class Placement:
    """What a submission becomes; negative ids are yet to be stored."""

    submission: StoredSubmission
    fingerprint_id: int
    track_id: int


class Assigner:
    """Places submissions one after the other, each knowing where the earlier ones went.

    Args:
        newcomers: fingerprints stored since the submissions were matched.
        scores: compare2 of submissions with those newcomers, and with the earlier submissions of
            the batch under their provisional ids; pairs of too different lengths are left out.
        fit: tells how a submission stands to the fingerprints that a track has stored.
    """

    def __init__(
        self,
        newcomers: Iterable[Newcomer],
        scores: Mapping[Pair, float],
        fit: Callable[[StoredSubmission, int], TrackFit],
    ) -> None:
        self._newcomers: dict[int, Newcomer] = {}
        self._by_track: dict[int, list[Newcomer]] = {}
        self._scores = scores
        self._like: dict[int, list[int]] = {}
        self._fit = fit
        for newcomer in newcomers:
            self._add(newcomer)
        for (submission_id, fingerprint_id), score in scores.items():
            if score > TRACK_MERGE_THRESHOLD:
                self._like.setdefault(submission_id, []).append(fingerprint_id)

    def place(self, submission: StoredSubmission, candidate: SubmissionInBatch) -> Placement:
        """Decide what a submission becomes.

        It joins the track of its best match that it fits, and is the same fingerprint if that
        match is close enough; without such a match it founds a track (the public service's rule).
        """
        matches = self._all_matches(submission, candidate)
        fits = self._all_fits(submission, candidate, matches)
        target = next((match for match in matches if can_join(fits[match.track_id])), None)
        placement = _placement(submission, target)
        if placement.fingerprint_id < 0:
            self._add(Newcomer(placement.fingerprint_id, placement.track_id, submission.length))
        return placement

    def _add(self, newcomer: Newcomer) -> None:
        self._newcomers[newcomer.id] = newcomer
        self._by_track.setdefault(newcomer.track_id, []).append(newcomer)

    def _all_matches(
        self, submission: StoredSubmission, candidate: SubmissionInBatch
    ) -> list[Match]:
        like = (self._newcomers.get(key) for key in self._like.get(submission.id, ()))
        found = [
            Match(each.id, each.track_id, self._scores[submission.id, each.id])
            for each in like
            if each is not None  # else it became a fingerprint that was there
        ]
        return sorted([*candidate.matches, *found], key=_rank)

    def _all_fits(
        self, submission: StoredSubmission, candidate: SubmissionInBatch, matches: Iterable[Match]
    ) -> dict[int, TrackFit]:
        fits = {fit.track_id: fit for fit in candidate.fits}
        for match in matches:
            if match.track_id not in fits:
                fits[match.track_id] = self._stored_fit(submission, match.track_id)
        return {track_id: self._with_newcomers(fit, submission) for track_id, fit in fits.items()}

    def _stored_fit(self, submission: StoredSubmission, track_id: int) -> TrackFit:
        return self._fit(submission, track_id) if track_id > 0 else TrackFit(track_id)

    def _with_newcomers(self, fit: TrackFit, submission: StoredSubmission) -> TrackFit:
        min_score, max_length_diff = fit.min_score, fit.max_length_diff
        for newcomer in self._by_track.get(fit.track_id, ()):
            min_score = min(min_score, self._scores.get((submission.id, newcomer.id), min_score))
            max_length_diff = max(max_length_diff, abs(newcomer.length - submission.length))
        return TrackFit(fit.track_id, min_score, max_length_diff)


def can_join(fit: TrackFit) -> bool:
    """Return whether a submission may join a track: it must be like all its fingerprints."""
    return fit.min_score >= TRACK_GROUP_THRESHOLD and fit.max_length_diff <= MAX_LENGTH_DIFF


def _rank(match: Match) -> tuple[float, bool, int]:
    """Order matches best first, then by id; provisional ids come last, as the ids they will get."""
    return -match.score, match.fingerprint_id < 0, abs(match.fingerprint_id)


def _placement(submission: StoredSubmission, target: Match | None) -> Placement:
    if target is None:
        return Placement(submission, -submission.id, -submission.id)
    if target.score > FINGERPRINT_MERGE_THRESHOLD:
        return Placement(submission, target.fingerprint_id, target.track_id)
    return Placement(submission, -submission.id, target.track_id)
