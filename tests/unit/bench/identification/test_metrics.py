"""Recall, position error and false matches of answers."""

import pytest

from bench.identification.algorithms import Answer
from bench.identification.metrics import Outcome, judge, share_at_most, summarize

PLACE = 40.0


def outcome(*numbers: int, place: float | None = None) -> Outcome:
    """Judge an answer. Recording 7 is correct; 8 has the same music."""
    return judge(Answer(numbers, place), 7, {7, 8}, PLACE)


def test_only_the_first_result_counts() -> None:
    assert outcome(7, 3).is_found
    assert outcome(3, 7) == Outcome(is_found=False, is_wrong=True)


def test_no_result_is_not_wrong() -> None:
    assert outcome() == Outcome(is_found=False, is_wrong=False)


def test_the_error_is_the_distance_in_both_directions() -> None:
    assert outcome(7, place=40.25).error == 0.25
    assert outcome(7, place=39.75).error == 0.25


def test_a_result_of_the_public_algorithm_has_no_error() -> None:
    assert outcome(7) == Outcome(is_found=True, is_wrong=False, error=None)


def test_another_recording_with_the_same_music_is_correct_and_its_place_unknown() -> None:
    assert outcome(8, place=3.0) == Outcome(is_found=True, is_wrong=False, error=None)


def test_a_wrong_result_has_no_error() -> None:
    assert outcome(3, place=40.0).error is None


def test_a_summary_counts_all_queries_and_errors_of_correct_results_only() -> None:
    answers = [
        outcome(7, place=40.1),
        outcome(7, place=40.3),
        outcome(7, place=42.0),
        outcome(7),
        outcome(3, place=40.0),
        outcome(),
    ]
    found = summarize(answers)
    assert (found.queries, found.wrong, found.places) == (6, 1, 3)
    assert found.recall == pytest.approx(4 / 6)
    assert found.median_error == pytest.approx(0.3)
    assert found.error_95 == pytest.approx(0.3 + 0.9 * 1.7)
    assert found.near == pytest.approx(2 / 3)


def test_a_summary_without_places_has_no_errors() -> None:
    found = summarize([outcome(7), outcome()])
    assert (found.median_error, found.error_95, found.near) == (None, None, None)


def test_a_place_at_the_limit_is_near() -> None:
    assert summarize([outcome(7, place=40.5)]).near == 1.0


def test_the_curve_counts_values_up_to_each_threshold() -> None:
    assert share_at_most([-3.0, -1.0, -1.0, 2.0], [-4, -3, -1, 0, 2]) == [0, 0.25, 0.75, 0.75, 1]
    assert share_at_most([], [0.0]) == [0.0]
