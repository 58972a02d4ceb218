"""Distractors: what they are made of, and their statistics."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.identification.distractors import LONGEST_RUN, WORDS, distractors
from tests.unit.fingerprint.samples import real_data

if TYPE_CHECKING:
    from pipeline.fingerprint.words import Words


@pytest.fixture(scope="module")
def recordings() -> list[Words]:
    return [words for words in real_data().words if words.size > 800][:30]


def bits(words: Words) -> Words:
    """Return the bits of words, shape (words, 32)."""
    return words[..., None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)


def test_distractors_are_the_same_for_a_seed_only(recordings: list[Words]) -> None:
    first, again, other = (next(distractors(recordings, 10, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)
    assert np.unique(first.values.reshape(10, WORDS), axis=0).shape[0] == 10


def test_there_are_as_many_as_asked(
    recordings: list[Words], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.identification.distractors.AT_ONCE", 4)
    assert [len(batch) for batch in distractors(recordings, 9)] == [4, 4, 1]
    assert not list(distractors(recordings, 0))
    [[only]] = distractors(recordings, 1)
    assert only.size == WORDS


def test_shuffled_ones_are_made_of_short_runs(recordings: list[Words]) -> None:
    """Every word is real, most have their real successor, and runs are soon from elsewhere."""
    followers = {tuple(pair) for row in recordings for pair in itertools.pairwise(row)}
    [batch] = distractors(recordings, 40)
    real = np.concatenate(recordings)
    for words in list(batch)[::2]:
        assert np.isin(words, real).all()
        follow = [pair in followers for pair in itertools.pairwise(words)]
        # A run of 1 to 16 words has 8.5 on average, so one word in 8.5 has another successor.
        assert 0.8 < np.mean(follow) < 0.95
        assert len(follow) - sum(follow) > WORDS // LONGEST_RUN // 2


def test_synthetic_ones_have_the_statistics_of_real_ones(recordings: list[Words]) -> None:
    """The share of each bit, and how often it stays the same in the next word."""
    real = np.concatenate(recordings)
    [batch] = distractors(recordings, 100)
    made = batch.values.reshape(-1, WORDS)[1::2]
    assert not np.isin(made, real).all()
    share = bits(made).mean((0, 1)) - bits(real).mean(0)
    same = (bits(made[:, 1:] ^ made[:, :-1])).mean((0, 1)) - bits(real[1:] ^ real[:-1]).mean(0)
    assert np.abs(share).max() < 0.05
    assert np.abs(same).max() < 0.02


def test_recordings_must_be_long_enough() -> None:
    for rows in ([], [np.zeros(LONGEST_RUN - 1, np.uint32)]):
        with pytest.raises(ValueError, match="at least"):
            next(distractors(rows, 1))
