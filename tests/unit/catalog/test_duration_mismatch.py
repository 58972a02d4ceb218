"""Recordings that are too long or too short for a track."""

import pytest

from pipeline.catalog.duration_mismatch import LengthRange, is_mismatch


@pytest.mark.parametrize(
    ("milliseconds", "lengths", "expected"),
    [
        (200_000, (200, 200), False),
        (230_000, (200, 200), False),
        (230_001, (200, 200), True),
        (170_000, (200, 200), False),
        (169_999, (200, 200), True),
        (235_000, (190, 205), False),
        (235_001, (190, 205), True),
        (160_000, (190, 205), False),
        (159_999, (190, 205), True),
        (1, (20, 20), False),
        (3_600_000, (20, 20), True),
    ],
)
def test_a_difference_of_more_than_30_seconds_is_a_mismatch(milliseconds, lengths, expected):
    assert is_mismatch(milliseconds, LengthRange(*lengths)) is expected


@pytest.mark.parametrize("milliseconds", [None, 0])
def test_a_recording_of_unknown_length_is_none(milliseconds):
    assert not is_mismatch(milliseconds, LengthRange(200, 200))


def test_a_track_without_fingerprints_has_none():
    assert not is_mismatch(200_000, None)
