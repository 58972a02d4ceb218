"""Expected false matches, the threshold and the score."""

import numpy as np
import pytest

from pipeline.excerpts.significance import (
    MAX_FALSE_MATCHES,
    MAX_LOG10_CHANCE,
    agreeing_seconds,
    is_match,
    score,
)


def test_a_match_in_a_small_catalogue_may_be_none_in_a_large_one() -> None:
    chance = np.log10(MAX_FALSE_MATCHES) - 5.1
    assert is_match(chance, 100_000)
    assert not is_match(chance, 1_000_000)


@pytest.mark.parametrize("recordings", [0, 1, 176])
def test_music_with_a_shared_sample_is_no_match_in_a_small_catalogue(recordings: int) -> None:
    assert is_match([MAX_LOG10_CHANCE, MAX_LOG10_CHANCE + 0.1], recordings).tolist() == [1, 0]


def test_the_longer_agreement_counts_more_than_the_better_one() -> None:
    """25 s of an intro agree perfectly, 92 s of the recording behind it nearly so."""
    intro, recording = agreeing_seconds([24.0, 92.0], [1.0, 0.97])
    assert (intro, recording) == pytest.approx((24.0, 86.48))
    assert agreeing_seconds(300.0, 0.5) == 0


def test_score_is_zero_at_chance_and_one_for_equal_bits() -> None:
    assert score([0.3, 0.5, 0.75, 1.0]) == pytest.approx([0, 0, 0.5, 1])
