"""The import decision: same fingerprint, joined track or new track."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from pipeline.catalog.ingest.submissions import StoredSubmission
from pipeline.imports.assign import Assigner, RecentFingerprint, can_join
from pipeline.messages import Match, SubmissionInBatch, TrackFit


def submission(number: int, length: int = 200, size: int = 100) -> StoredSubmission:
    return StoredSubmission(
        id=number,
        task_id=UUID(int=1),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        state="pending",
        account_id=1,
        application_id=1,
        application_version=None,
        words=np.arange(size, dtype=np.uint32),
        gid=UUID(int=number),
        length=length,
        bitrate=None,
        format=None,
        meta=None,
        mbid=None,
        puid=None,
        foreignid=None,
    )


def never(submission: StoredSubmission, track_id: int) -> TrackFit:
    raise AssertionError(f"track {track_id} need not be read for {submission.id}")


def assigner(recent=(), scores=None, fit=never) -> Assigner:
    return Assigner(recent, scores or {}, fit)


def test_a_submission_without_a_match_gets_a_new_track() -> None:
    placement = assigner().place(submission(7), SubmissionInBatch(7))
    assert (placement.fingerprint_id, placement.track_id) == (-7, -7)


def test_a_match_above_the_fingerprint_threshold_is_the_same_fingerprint() -> None:
    candidate = SubmissionInBatch(7, matches=[Match(11, 3, 0.91)], fits=[TrackFit(3, 0.91, 0)])
    placement = assigner().place(submission(7), candidate)
    assert (placement.fingerprint_id, placement.track_id) == (11, 3)


@pytest.mark.parametrize("score", [0.76, 0.9])
def test_a_match_up_to_the_fingerprint_threshold_adds_a_fingerprint(score: float) -> None:
    candidate = SubmissionInBatch(7, matches=[Match(11, 3, score)], fits=[TrackFit(3, score, 0)])
    placement = assigner().place(submission(7), candidate)
    assert (placement.fingerprint_id, placement.track_id) == (-7, 3)


@pytest.mark.parametrize("fit", [TrackFit(3, 0.39, 0), TrackFit(3, 0.95, 8)])
def test_a_track_with_one_different_fingerprint_is_not_joined(fit: TrackFit) -> None:
    candidate = SubmissionInBatch(
        7,
        matches=[Match(11, 3, 0.99), Match(12, 4, 0.8)],
        fits=[fit, TrackFit(4, 0.4, 7)],
    )
    placement = assigner().place(submission(7), candidate)
    assert (placement.fingerprint_id, placement.track_id) == (-7, 4)


def test_the_thresholds_of_can_join_are_inclusive() -> None:
    assert can_join(TrackFit(1, 0.4, 7))
    assert not can_join(TrackFit(1, 0.399999, 7))
    assert not can_join(TrackFit(1, 0.4, 8))


def test_the_track_of_a_recent_fingerprint_that_matches_is_joined() -> None:
    recent = RecentFingerprint(50, 9, 201, 100)
    placed = assigner([recent], {(7, 50): 0.8}, lambda _s, track: TrackFit(track, 0.8, 1)).place(
        submission(7), SubmissionInBatch(7)
    )
    assert (placed.fingerprint_id, placed.track_id) == (-7, 9)


def test_a_recent_fingerprint_that_does_not_match_changes_nothing() -> None:
    placed = assigner([RecentFingerprint(50, 9, 201, 100)], {(7, 50): 0.75}).place(
        submission(7), SubmissionInBatch(7)
    )
    assert placed.track_id == -7


def test_a_recent_fingerprint_that_differs_prevents_joining_its_track() -> None:
    candidate = SubmissionInBatch(7, matches=[Match(11, 3, 0.8)], fits=[TrackFit(3, 0.8, 0)])
    placed = assigner([RecentFingerprint(50, 3, 200, 100)], {(7, 50): 0.3}).place(
        submission(7), candidate
    )
    assert placed.track_id == -7


def test_a_recent_fingerprint_of_another_length_prevents_joining_without_a_score() -> None:
    candidate = SubmissionInBatch(7, matches=[Match(11, 3, 0.8)], fits=[TrackFit(3, 0.8, 0)])
    placed = assigner([RecentFingerprint(50, 3, 208, 100)]).place(submission(7), candidate)
    assert placed.track_id == -7


def test_near_copies_in_one_batch_share_one_new_track() -> None:
    assign = assigner(scores={(8, -7): 0.8, (9, -7): 0.85, (9, -8): 0.95})
    first = assign.place(submission(7), SubmissionInBatch(7))
    second = assign.place(submission(8), SubmissionInBatch(8))
    third = assign.place(submission(9), SubmissionInBatch(9))
    assert (first.fingerprint_id, first.track_id) == (-7, -7)
    assert (second.fingerprint_id, second.track_id) == (-8, -7)
    assert (third.fingerprint_id, third.track_id) == (-8, -7)


def test_equal_scores_go_to_the_older_fingerprint() -> None:
    candidate = SubmissionInBatch(7, matches=[Match(12, 4, 0.95)], fits=[TrackFit(4), TrackFit(3)])
    assign = assigner([RecentFingerprint(13, 3, 200, 100)], {(7, 13): 0.95})
    placed = assign.place(submission(7), candidate)
    assert placed.track_id == 4


def test_stored_fingerprints_are_preferred_to_those_of_the_batch() -> None:
    assign = assigner(scores={(8, -7): 0.95})
    assign.place(submission(7), SubmissionInBatch(7))
    candidate = SubmissionInBatch(8, matches=[Match(12, 4, 0.95)], fits=[TrackFit(4)])
    assert assign.place(submission(8), candidate).track_id == 4


@pytest.mark.parametrize(
    ("size", "stored", "placed"),
    [
        (29_000, 948, -7),
        (29_000, 28_919, -7),
        (29_000, 28_920, 11),
        (1_029, 948, -7),
        (1_028, 948, 11),
        (948, 500, 11),
        (949, 500, -7),
        (948, 29_000, 11),
    ],
)
def test_a_longer_fingerprint_is_stored_beside_its_match(
    size: int, stored: int, placed: int
) -> None:
    """In the same track, if it is longer than 120 s and by 80 words than the match."""
    candidate = SubmissionInBatch(
        7, matches=[Match(11, 3, 1.0, stored)], fits=[TrackFit(3, 1.0, 0)]
    )
    placement = assigner().place(submission(7, size=size), candidate)
    assert (placement.fingerprint_id, placement.track_id) == (placed, 3)


def test_a_second_long_fingerprint_is_counted_on_the_first() -> None:
    """The best match may be the short one; one of another track does not count."""
    candidate = SubmissionInBatch(
        7,
        matches=[Match(11, 3, 1.0, 948), Match(12, 4, 0.99, 5_000), Match(13, 3, 0.98, 5_000)],
        fits=[TrackFit(3, 0.98, 0), TrackFit(4, 0.99, 0)],
    )
    placement = assigner().place(submission(7, size=5_000), candidate)
    assert (placement.fingerprint_id, placement.track_id) == (13, 3)


def test_equal_long_fingerprints_of_a_batch_are_stored_once() -> None:
    short = Match(11, 3, 1.0, 948)
    assign = assigner(scores={(8, -7): 0.99})
    placed = [
        assign.place(
            submission(number, size=5_000),
            SubmissionInBatch(number, matches=[short], fits=[TrackFit(3, 1.0, 0)]),
        )
        for number in (7, 8)
    ]
    assert [(each.fingerprint_id, each.track_id) for each in placed] == [(-7, 3), (-7, 3)]
