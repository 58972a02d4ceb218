"""compare2 over batches: as the plain reference, pair by pair, within bounded memory."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fingerprint.compare import compare2, compare2_batch, compare2_within
from pipeline.fingerprint.ragged import Ragged
from pipeline.fingerprint.words import Words, as_words
from tests.unit.fingerprint import reference
from tests.unit.fingerprint.samples import real_data, song, walk

KEYS = np.array([0, 1, 2, 3, 100, 8190, 8191, 8192, 16382, 16383], np.uint32)


def made_up(random: np.random.Generator) -> Words:
    """Return words with few keys, many of them at the limits of votes and counts."""
    length = int(random.integers(0, 700))
    keys = KEYS if random.random() < 0.5 else random.integers(0, 16384, 60).astype(np.uint32)
    words = random.choice(keys, length) << np.uint32(18)
    return words | random.integers(0, 8, length).astype(np.uint32)


def relative(words: Words, random: np.random.Generator) -> Words:
    """Return a copy that starts elsewhere, differs in some bits and has some words replaced."""
    shift = int(random.integers(-90, 90))
    copy = words[shift:] if shift > 0 else np.concatenate([made_up(random)[:-shift], words])
    copy = copy ^ np.where(random.random(copy.size) < 0.2, random.integers(0, 2**8), 0).astype("u4")
    replaced = random.random(copy.size) < random.choice([0, 0.02, 0.5])
    copy[replaced] = random.integers(0, 2**32, np.count_nonzero(replaced))
    return copy


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 7, 80, 1000]))
@settings(max_examples=60)
def test_scores_agree_with_the_reference(seed: int, max_offset: int):
    """Batched or alone, on repetitive fingerprints and altered copies of them."""
    random = np.random.default_rng(seed)
    left = [made_up(random) for _ in range(3)]
    right = [relative(words, random) for words in left] + [made_up(random)]
    rows, columns = np.divmod(random.permutation(12), 4)
    scores = compare2_batch(left, right, (rows, columns), max_offset)
    for row, column, score in zip(rows, columns, scores.tolist(), strict=True):
        a, b = left[row], right[column]
        assert score == reference.compare2(a.tolist(), b.tolist(), max_offset)
        assert score == compare2(a, b, max_offset)


@given(st.lists(st.lists(st.integers(0, 3).map(lambda k: k << 18), max_size=6), max_size=4))
def test_the_shortest_fingerprints_agree_with_the_reference(table: list[list[int]]):
    """Empty ones and single words included."""
    batch = [as_words(words) for words in table]
    rows, columns = np.divmod(np.arange(len(batch) ** 2), max(len(batch), 1))
    scores = compare2_batch(batch, batch, (rows, columns))
    assert scores.tolist() == [
        reference.compare2(table[row], table[column], 80)
        for row, column in zip(rows, columns, strict=True)
    ]


def test_the_shape_of_the_input_makes_no_difference():
    """Lists or Ragged, few on the left or few on the right, in any order, in many chunks."""
    words = real_data().words[:60]
    few, many = Ragged.of(words[:5]), Ragged.of(words)
    order = np.random.default_rng(0).permutation(300)
    rows, columns = np.divmod(order, 60)
    scores = compare2_batch(few, many, (rows, columns))
    assert np.count_nonzero(scores) >= 5
    assert scores.tolist() == compare2_batch(words[:5], words, (rows, columns)).tolist()
    assert scores.tolist() == compare2_batch(many, few, (columns, rows)).tolist()
    one_by_one = [compare2(words[each // 60], words[each % 60]) for each in order.tolist()]
    assert scores.tolist() == one_by_one


def test_pairs_within_a_batch():
    """Each fingerprint with each later one."""
    batch = [song(), song()[10:], walk(1, 500, 3), song()[:300]]
    earlier, later, scores = compare2_within(batch)
    pairs = list(zip(earlier.tolist(), later.tolist(), strict=True))
    assert pairs == list(combinations(range(4), 2))
    assert scores.tolist() == [compare2(batch[i], batch[j]) for i, j in pairs]
    assert scores[pairs.index((0, 1))] == 1


def test_no_pairs_have_no_scores():
    """Also where there are no fingerprints."""
    assert compare2_batch([], [], ([], [])).tolist() == []
    assert compare2_within([song()])[2].tolist() == []


def peak_of(left: list[Words], right: list[Words], max_offset: int) -> int:
    """Return the most memory taken while all pairs are scored, in bytes."""
    rows, columns = np.divmod(np.arange(len(left) * len(right)), len(right))
    tracemalloc.start()
    try:
        compare2_batch(left, right, (rows, columns), max_offset)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("max_offset", [0, 80])
def test_memory_is_bounded_over_many_pairs(max_offset: int):
    """2,000 pairs of fingerprints that are 760 kB together."""
    words = [walk(seed, 948, 3) for seed in range(10)]
    assert peak_of(words * 10, words * 2, max_offset) < 5_000_000


@pytest.mark.parametrize("max_offset", [0, 80])
def test_memory_is_bounded_over_long_fingerprints(max_offset: int):
    """Two hours of audio against two hours of audio, 16 pairs."""
    random = np.random.default_rng(2)
    words = [random.integers(0, 2**32, 60_000).astype(np.uint32) for _ in range(4)]
    assert peak_of(words, words, max_offset) < 10_000_000
