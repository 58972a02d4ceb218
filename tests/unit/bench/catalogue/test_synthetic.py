"""Synthetic fingerprints are similar to real ones and reproducible."""

import numpy as np
import pytest

from bench.catalogue.synthetic import (
    CHANGED_BITS,
    MAX_DROPPED,
    WORDS,
    Synthesizer,
    degrade,
    flip,
    thin,
)
from pipeline.fingerprint.compare import compare2
from pipeline.fingerprint.query import MAX_TERMS, extract_query


@pytest.fixture(scope="module")
def synthesizer():
    return Synthesizer(seed=7)


def test_the_mean_number_of_changed_bits_is_the_given_one(synthesizer):
    changed = [
        np.bitwise_count(words[1:] ^ words[:-1]).mean()
        for words in (synthesizer.fingerprint("catalogue", number) for number in range(50))
    ]
    assert np.mean(changed) == pytest.approx(CHANGED_BITS, abs=0.1)


def test_a_fingerprint_has_all_its_query_terms(synthesizer):
    words = synthesizer.fingerprint("catalogue", 1)
    assert words.shape == (WORDS,)
    assert extract_query(words).size == MAX_TERMS


def test_another_process_creates_the_same_fingerprint():
    first, second = (Synthesizer(seed=7).fingerprint("catalogue", 3) for _ in range(2))
    assert np.array_equal(first, second)


def test_other_numbers_streams_and_seeds_give_independent_fingerprints(synthesizer):
    words = synthesizer.fingerprint("catalogue", 3)
    others = (
        synthesizer.fingerprint("catalogue", 4),
        synthesizer.fingerprint("unknown", 3),
        Synthesizer(seed=8).fingerprint("catalogue", 3),
    )
    for other in others:
        assert compare2(words, other) < 0.1


def test_a_degraded_copy_shares_terms_and_scores_high(synthesizer):
    words = synthesizer.fingerprint("catalogue", 5)
    copy = degrade(words, synthesizer.random("test"))
    assert WORDS - MAX_DROPPED <= copy.size <= WORDS
    assert np.intersect1d(extract_query(words), extract_query(copy)).size > 30
    assert compare2(words, copy) > 0.9


def test_flipping_does_not_change_the_original(synthesizer):
    words = np.zeros(WORDS, np.uint32)
    flipped = flip(words, 0.02, synthesizer.random("test"))
    assert not words.any()
    assert np.bitwise_count(flipped).sum() == pytest.approx(0.02 * 32 * WORDS, rel=0.05)


def test_thinning_only_clears_bits(synthesizer):
    random = synthesizer.random("test")
    masks = random.integers(0, 1 << 32, 10_000, dtype=np.uint32)
    thinned = thin(masks, 4.0, random)
    assert not (thinned & ~masks).any()
    assert np.bitwise_count(thinned).mean() == pytest.approx(4.0, abs=0.1)


def test_masks_with_too_few_bits_are_refused(synthesizer):
    with pytest.raises(ValueError, match="fewer than"):
        thin(np.ones(10, np.uint32), 2.0, synthesizer.random("test"))
